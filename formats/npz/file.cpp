#include "formats/npz/file.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "formats/pickle/machine.h"
#include "formats/pickle/trust.h"
#include "internal/limits.h"
#include "internal/zip/reader.h"
#include "sharded/internal/joined_storage.h"

namespace bevgrad {

namespace {

constexpr std::string_view kNpzMagic = "\x93NUMPY";
constexpr std::string_view kNpzExtension = ".npy";
constexpr uint64_t kMaximumNpzHeader = 1 << 20;

/// What the header of an array says.
struct ArrayHeader {
  std::string type;      // "<f4"
  bool objects = false;  // the values, or fields of them, are Python objects: a pickle stands in their place
  bool fortran = false;
  Shape sizes;
  uint64_t bytes = 0;  // of the header with all before it
};

/// Reads the header's text: a Python dictionary of 'descr', 'fortran_order' and 'shape'.
class HeaderParser {
 public:
  HeaderParser(std::string_view text, std::string where) : text_(text), where_(std::move(where)) {}

  ArrayHeader run() {
    ArrayHeader out;
    std::array<bool, 3> seen{};
    expect('{');
    while (!accept('}')) {
      const std::string name = text();
      expect(':');
      const size_t which = name == "descr" ? 0 : name == "fortran_order" ? 1 : name == "shape" ? 2 : 3;
      if (which == 3 || std::exchange(seen[which], true)) wrong();
      if (which == 0) out.type = type(out.objects);
      if (which == 1) out.fortran = word() == "True";
      if (which == 2) out.sizes = shape();
      if (!accept(',') && peek() != '}') wrong();
    }
    if (!std::all_of(seen.begin(), seen.end(), [](bool there) { return there; })) wrong();
    return out;
  }

 private:
  [[noreturn]] void wrong() const { fail("{}: broken header '{}'", where_, printable(text_, 120)); }

  char peek() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t')) ++at_;
    if (at_ == text_.size()) wrong();
    return text_[at_];
  }
  bool accept(char c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) wrong();
  }

  std::string text() {
    const char quote = peek();
    if (quote != '\'' && quote != '"') wrong();
    const size_t end = text_.find(quote, ++at_);
    if (end == std::string_view::npos) wrong();
    std::string out(text_.substr(at_, end - at_));
    at_ = end + 1;
    return out;
  }

  std::string_view word() {
    peek();
    const size_t begin = at_;
    while (at_ < text_.size() && std::isalpha(static_cast<unsigned char>(text_[at_])) != 0) ++at_;
    return text_.substr(begin, at_ - begin);
  }

  /// A text, or the list or tuple that describes a record: nothing that has one type.
  std::string type(bool& objects) {
    const bool plain = peek() == '\'' || peek() == '"';
    std::string out = "a record";
    int depth = 0;
    do {
      const char c = peek();
      if (c == '\'' || c == '"') {
        const std::string part = text();
        objects |= is_object_type(part);
        if (plain) out = part;
        continue;
      }
      depth += c == '[' || c == '(' ? 1 : c == ']' || c == ')' ? -1 : 0;
      ++at_;
    } while (depth > 0);
    return out;
  }

  /// "O", "|O", "|O8". Of a record its fields' names are judged as well: one of such a name is taken for objects.
  static bool is_object_type(std::string_view type) {
    if (!type.empty() && std::string_view("<>|=").find(type[0]) != std::string_view::npos) type.remove_prefix(1);
    return type.starts_with('O') && type.find_first_not_of("0123456789", 1) == std::string_view::npos;
  }

  Shape shape() {
    Shape out;
    expect('(');
    while (!accept(')')) {
      peek();
      int64_t size = 0;
      const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), size);
      if (error != std::errc() || size < 0 || out.size() >= kMaximumRank) wrong();
      at_ = static_cast<size_t>(end - text_.data());
      if (at_ < text_.size() && text_[at_] == 'L') ++at_;  // Python 2
      out.push_back(size);
      if (!accept(',') && peek() != ')') wrong();
    }
    return out;
  }

  std::string_view text_;
  std::string where_;
  size_t at_ = 0;
};

struct NpzType {
  StoredDType dtype;
  bool big_endian;
};

std::optional<NpzType> npz_type(std::string_view type) {
  static constexpr std::array<std::pair<std::string_view, StoredDType>, 14> kTypes{{{"f8", StoredDType::Float64},
                                                                                    {"f4", StoredDType::Float32},
                                                                                    {"f2", StoredDType::Float16},
                                                                                    {"i8", StoredDType::Int64},
                                                                                    {"i4", StoredDType::Int32},
                                                                                    {"i2", StoredDType::Int16},
                                                                                    {"i1", StoredDType::Int8},
                                                                                    {"u8", StoredDType::UInt64},
                                                                                    {"u4", StoredDType::UInt32},
                                                                                    {"u2", StoredDType::UInt16},
                                                                                    {"u1", StoredDType::UInt8},
                                                                                    {"b1", StoredDType::Bool},
                                                                                    {"c8", StoredDType::Complex64},
                                                                                    {"c16", StoredDType::Complex128}}};
  if (type.size() < 3 || std::string_view("<>|=").find(type[0]) == std::string_view::npos) return std::nullopt;
  for (const auto& [code, dtype] : kTypes) {
    if (type.substr(1) == code) return NpzType{dtype, type[0] == '>'};
  }
  return std::nullopt;
}

ArrayHeader read_header(const StoredStorage& entry, const std::string& where) {
  std::array<char, 12> head{};
  check(entry.bytes() >= head.size(), "{}: {} bytes are too short for an array", where, entry.bytes());
  entry.read(0, std::as_writable_bytes(std::span(head)));
  const std::string_view begin(head.data(), head.size());
  check(begin.starts_with(kNpzMagic), "{}: no NumPy array", where);
  const auto byte = [&](size_t i) { return static_cast<uint64_t>(static_cast<uint8_t>(head[i])); };
  const bool wide = byte(6) >= 2;
  check(byte(6) >= 1 && byte(6) <= 3, "{}: version {} of NumPy's format is not known", where, byte(6));
  uint64_t length = byte(8) | byte(9) << 8;
  if (wide) length |= byte(10) << 16 | byte(11) << 24;
  const uint64_t offset = wide ? 12 : 10;
  check(length <= kMaximumNpzHeader && length <= entry.bytes() - offset, "{}: a header of {} bytes", where, length);
  std::string text(length, '\0');
  entry.read(offset, std::as_writable_bytes(std::span(text)));
  ArrayHeader out = HeaderParser(text, where).run();
  out.bytes = offset + length;
  return out;
}

/// The array behind a header; nothing where it holds no numbers.
std::optional<StoredTensor> read_values(const ArrayHeader& header, const std::shared_ptr<const StoredStorage>& storage,
                                        const std::string& where) {
  const auto type = npz_type(header.type);
  if (!type) return std::nullopt;
  StoredTensor tensor{.dtype = type->dtype, .sizes = header.sizes};
  tensor.strides = contiguous_strides(header.sizes, where);
  if (header.fortran) {
    tensor.strides = contiguous_strides({header.sizes.rbegin(), header.sizes.rend()}, where);
    std::reverse(tensor.strides.begin(), tensor.strides.end());
  }
  tensor.storage = concatenated_storage(where, {{storage, header.bytes, storage->bytes() - header.bytes}});
  if (type->big_endian) tensor.storage = swapped_storage(tensor.storage, swap_size(type->dtype));
  validate(tensor, where);
  check(tensor.nbytes() == tensor.storage->bytes(), "{}: {} needs {} bytes, {} are there", where, describe(tensor),
        tensor.nbytes(), tensor.storage->bytes());
  return tensor;
}

std::string what_it_holds(const ArrayHeader& header) {
  return header.objects ? "Python objects" : printable(header.type, 40);
}

/// A storage as bytes that are read in order.
class StorageBytes : public ByteSource {
 public:
  explicit StorageBytes(std::shared_ptr<const StoredStorage> storage)
      : ByteSource(storage->name(), storage->bytes()), storage_(std::move(storage)) {}

 private:
  void read_checked(uint64_t offset, std::span<std::byte> out) const override { storage_->read(offset, out); }

  std::shared_ptr<const StoredStorage> storage_;
};

/// The array behind a header, as a node; nothing where it holds no numbers. numpy.load would run the pickle of an array
/// of Python objects: what it names is kept in the document.
std::optional<NodeId> read_array(const std::shared_ptr<const StoredStorage>& storage, const std::string& where,
                                 const std::string& label, Document& document) {
  const ArrayHeader header = read_header(*storage, where);
  if (auto tensor = read_values(header, storage, where)) {
    const NodeId id = document.make_tensor(*std::move(tensor));
    document.node(id).text = "numpy.ndarray";
    return id;
  }
  document.left_out.push_back(fmt::format("{} ({})", label, what_it_holds(header)));
  if (header.objects) {
    Document objects(where);
    ByteCursor cursor(std::make_shared<StorageBytes>(storage), header.bytes, storage->bytes());
    name_globals_if_broken(document, [&] { run_pickle(cursor, objects); });
    carry_globals(objects, document);
  }
  return std::nullopt;
}

}  // namespace

bool is_npz(const std::shared_ptr<const ByteSource>& source) {
  try {
    const ZipReader zip(source);
    const auto& entries = zip.entries();
    return !entries.empty() && std::all_of(entries.begin(), entries.end(),
                                           [](const ZipEntry& entry) { return entry.name.ends_with(kNpzExtension); });
  } catch (const Error&) {
    return false;
  }
}

std::shared_ptr<Document> read_npz(std::shared_ptr<const ByteSource> source) {
  const ZipReader zip(source);
  auto document = std::make_shared<Document>(source->name());
  document->root = document->make_dict();
  for (const ZipEntry& entry : zip.entries()) {
    const std::string name = entry.name.substr(0, entry.name.size() - kNpzExtension.size());
    const std::string label = fmt::format("array '{}'", printable(name));
    const auto id = read_array(zip.open(entry), fmt::format("{}: {}", source->name(), label), label, *document);
    if (id) document->insert(document->root, name, *id);
  }
  return document;
}

bool is_npy(const ByteSource& source) {
  std::array<char, kNpzMagic.size()> head{};
  if (source.size() < head.size()) return false;
  source.read(0, std::as_writable_bytes(std::span(head)));
  return std::string_view(head.data(), head.size()) == kNpzMagic;
}

std::shared_ptr<Document> read_npy_document(const std::shared_ptr<const ByteSource>& source) {
  auto document = std::make_shared<Document>(source->name());
  const auto id =
      read_array(range_storage(source->name(), source, 0, source->size()), source->name(), "the array", *document);
  document->root = id ? *id : document->make_dict();
  return document;
}

StoredTensor read_npy(const std::shared_ptr<const ByteSource>& source) {
  const auto storage = range_storage(source->name(), source, 0, source->size());
  const ArrayHeader header = read_header(*storage, source->name());
  auto tensor = read_values(header, storage, source->name());
  check(tensor.has_value(), "{}: an array of {}, expected numbers", source->name(), what_it_holds(header));
  return *std::move(tensor);
}

}  // namespace bevgrad
