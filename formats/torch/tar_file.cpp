#include "formats/torch/tar_file.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <unordered_map>

#include "base/error.h"
#include "base/text.h"
#include "formats/pickle/machine.h"
#include "formats/pickle/trust.h"
#include "internal/archive_names.h"
#include "pickle/internal/numbers.h"
#include "pickle/internal/plain_objects.h"
#include "torch/internal/rebuild.h"

namespace bevgrad {

namespace {

constexpr uint64_t kBlock = 512;
constexpr size_t kMaximumMembers = 1000;
constexpr int64_t kMaximumItems = 1'000'000;
constexpr uint64_t kMaximumAttributes = 1 << 20;

using Header = std::array<char, kBlock>;

struct Member {
  uint64_t offset = 0;
  uint64_t bytes = 0;
};

/// A number in octal digits, padded with spaces and NULs; nothing where it is none.
std::optional<uint64_t> octal(std::string_view field) {
  uint64_t value = 0;
  bool any = false;
  for (const char c : field) {
    if (c >= '0' && c <= '7') {
      if (value >> 60 != 0) return std::nullopt;
      value = value * 8 + static_cast<uint64_t>(c - '0');
      any = true;
    } else if (c == '\0' || c == ' ') {
      if (any) break;
    } else {
      return std::nullopt;
    }
  }
  return any ? std::optional(value) : std::nullopt;
}

bool checksum_holds(const Header& header) {
  const auto stated = octal(std::string_view(header.data() + 148, 8));
  uint64_t sum = 0;
  for (size_t i = 0; i < kBlock; ++i) sum += i >= 148 && i < 156 ? ' ' : static_cast<uint8_t>(header[i]);
  return stated == sum;
}

/// The name in a header: up to 100 bytes, in the format of 1988 with a folder of up to 155 before it.
std::string name_in(const Header& header) {
  std::string name(header.data(), strnlen(header.data(), 100));
  const std::string_view folder(header.data() + 345, strnlen(header.data() + 345, 155));
  if (std::string_view(header.data() + 257, 6) != std::string_view("ustar\0", 6) || folder.empty()) return name;
  return std::string(folder) + "/" + name;
}

/// PAX attributes are of no interest here but for those by which another reader would find another member.
void check_attributes(const ByteSource& source, uint64_t at, uint64_t bytes, const std::string& where) {
  check(bytes <= kMaximumAttributes, "{}: attributes of {} bytes", where, bytes);
  std::string text(bytes, '\0');
  source.read(at, std::as_writable_bytes(std::span(text)));
  for (const char* attribute : {" path=", " linkpath=", " size=", " hdrcharset=", " GNU.sparse"}) {
    check(text.find(attribute) == std::string::npos, "{}: attributes that give the next member another{}", where,
          std::string(attribute).substr(0, std::string_view(attribute).find('=')));
  }
}

std::map<std::string, Member> members_of(const ByteSource& source) {
  const std::string& file = source.name();
  std::map<std::string, Member> out;
  uint64_t at = 0;
  while (at + kBlock <= source.size()) {
    Header header;
    source.read(at, std::as_writable_bytes(std::span(header)));
    if (std::all_of(header.begin(), header.end(), [](char c) { return c == '\0'; })) return out;
    check(checksum_holds(header), "{}: the tar header at byte {} is damaged", file, at);
    const std::string name = name_in(header);
    const auto bytes = octal(std::string_view(header.data() + 124, 12));
    const char type = header[156];
    const std::string where = fmt::format("{}: tar member '{}'", file, printable(name));
    check(type != '1' && type != '2', "{}: a link, which is never followed", where);
    check(!leads_out_of_archive(name), "{}: the name leads out of the archive", where);
    check(bytes.has_value() && *bytes <= source.size() - at - kBlock, "{}: its {} bytes leave the file", where,
          bytes.value_or(0));
    // 'x' and 'g': attributes of PAX archives; '5': a folder.
    const bool plain = type == '0' || type == '\0';
    check(plain || type == 'x' || type == 'g' || type == '5', "{}: a member of kind '{}'", where,
          printable({&type, 1}));
    if (type == 'x' || type == 'g') check_attributes(source, at + kBlock, *bytes, where);
    if (plain) {
      const std::string bare = name.starts_with("./") ? name.substr(2) : name;
      check(out.emplace(bare, Member{at + kBlock, *bytes}).second, "{}: there twice", where);
      check(out.size() <= kMaximumMembers, "{}: more than {} tar members", file, kMaximumMembers);
    }
    at += kBlock + (*bytes + kBlock - 1) / kBlock * kBlock;
  }
  return out;
}

struct TarStorage {
  std::shared_ptr<const StoredStorage> storage;
  StoredDType dtype = StoredDType::UInt8;
  int64_t numel = 0;
};

class TarReader {
 public:
  explicit TarReader(std::shared_ptr<const ByteSource> source)
      : source_(std::move(source)), members_(members_of(*source_)) {}

  std::shared_ptr<Document> read() {
    const auto document = std::make_shared<Document>(source_->name());
    document_ = document.get();
    name_globals_if_broken(*document, [&] { fill(*document); });
    return document;
  }

 private:
  void fill(Document& document) {
    read_storages();
    read_tensors();
    ByteCursor cursor = member("pickle");
    document.root = run_pickle(cursor, document);
    resolve_plain_objects(document);
    for (NodeId id = 0; id < document.size(); ++id) {
      if (document.node(id).kind == ValueKind::Persistent) place(document, id);
    }
    mark_references(document);
    resolve_tensors(document, [&](const StorageReference& reference) {
      const auto found = storages_.find(reference.key);
      check(found != storages_.end() && !views_.contains(reference.key), "{}: storage '{}' is not there",
            reference.where, printable(reference.key));
      check(found->second.numel == reference.numel && found->second.dtype == reference.dtype,
            "{}: storage '{}' has {} values of {}, {} of {} are expected", reference.where, printable(reference.key),
            found->second.numel, name(found->second.dtype), reference.numel, name(reference.dtype));
      return found->second.storage;
    });
  }

  template <class... Args>
  [[noreturn]] void wrong(fmt::format_string<Args...> format, Args&&... args) const {
    fail("{}: {}", source_->name(), fmt::format(format, std::forward<Args>(args)...));
  }

  ByteCursor member(const std::string& name) const {
    const auto found = members_.find(name);
    if (found == members_.end()) wrong("a tar archive without '{}': not a PyTorch checkpoint", name);
    return ByteCursor(source_, found->second.offset, found->second.offset + found->second.bytes);
  }

  /// Runs a small pickle; its values are in `scratch_`.
  NodeId small(ByteCursor& cursor) {
    scratch_ = std::make_unique<Document>(source_->name());
    const NodeId root = run_pickle(cursor, *scratch_, {.bytes = 64 << 20, .memory = 256 << 20});
    carry_globals(*scratch_, *document_);
    return root;
  }
  int64_t count(ByteCursor& cursor, const char* what) {
    const Node& node = scratch_node(small(cursor));
    if (node.kind != ValueKind::Int || node.integer < 0 || node.integer > kMaximumItems) {
      wrong("no number of {}", what);
    }
    return node.integer;
  }
  const Node& scratch_node(NodeId id) const { return scratch_->node(id); }
  std::string key(NodeId id) const {
    const Node& node = scratch_node(id);
    if (node.kind == ValueKind::Int) return std::to_string(node.integer);
    if (node.kind == ValueKind::BigInt) return format_integer(node.text);
    if (node.kind != ValueKind::String) wrong("a key that is a {}", name(node.kind));
    return node.text;
  }
  /// A pickled tuple of `size` values.
  const std::vector<NodeId>& tuple(NodeId id, size_t size, const char* what) const {
    const Node& node = scratch_node(id);
    if ((node.kind != ValueKind::Tuple && node.kind != ValueKind::List) || node.items.size() != size) {
      wrong("a broken {}", what);
    }
    return node.items;
  }

  void read_storages() {
    ByteCursor cursor = member("storages");
    const int64_t total = count(cursor, "storages");
    for (int64_t i = 0; i < total; ++i) {
      const auto items = tuple(small(cursor), 3, "storage");
      const auto dtype = storage_dtype(scratch_->type_name(items[2]));
      if (!dtype) wrong("storage type {} is not known", printable(scratch_->type_name(items[2]), 80));
      const std::string label = key(items[0]);
      const auto numel = static_cast<int64_t>(cursor.u64());
      uint64_t bytes = 0;
      if (numel < 0 || __builtin_mul_overflow(static_cast<uint64_t>(numel), item_size(*dtype), &bytes) ||
          bytes > cursor.remaining()) {
        wrong("storage '{}' should hold {} values of {}, but {} bytes are left", printable(label), numel, name(*dtype),
              cursor.remaining());
      }
      auto storage = range_storage(fmt::format("{}: storage '{}'", source_->name(), printable(label)), source_,
                                   cursor.position(), bytes);
      cursor.skip(bytes);
      if (!storages_.emplace(label, TarStorage{std::move(storage), *dtype, numel}).second) {
        wrong("storage '{}' is there twice", printable(label));
      }
    }
    if (cursor.remaining() == 0) return;
    const NodeId views = small(cursor);
    for (const NodeId id : scratch_node(views).items) {
      const auto& items = tuple(id, 4, "view");
      const auto root = storages_.find(key(items[1]));
      if (root == storages_.end()) wrong("a view of storage '{}', which is not there", printable(key(items[1])));
      const int64_t offset = scratch_node(items[2]).integer;
      const int64_t numel = scratch_node(items[3]).integer;
      TarStorage view = root->second;
      if (offset < 0 || numel < 0 || offset > view.numel || numel > view.numel - offset) {
        wrong("a view of {} values at {} leaves storage '{}' of {}", numel, offset, printable(key(items[1])),
              view.numel);
      }
      // The whole root stays the storage, so that views of it stay views.
      views_[key(items[0])] = offset + (views_.contains(key(items[1])) ? views_[key(items[1])] : 0);
      view.numel = numel;
      if (!storages_.emplace(key(items[0]), view).second)
        wrong("storage '{}' is there twice", printable(key(items[0])));
    }
  }

  /// Some writers have no `tensors` and name storages in the pickle itself, as later formats do, by a plain tuple.
  void mark_references(Document& document) {
    for (NodeId id = 0, end = static_cast<NodeId>(document.size()); id < end; ++id) {
      const Node& call = document.node(id);
      if (call.kind != ValueKind::Object || !document.type_name(id).starts_with("torch._utils._rebuild_tensor"))
        continue;
      const NodeId arguments = call.items.at(1);
      if (document.node(arguments).items.empty()) continue;
      const NodeId first = document.node(arguments).items[0];
      if (document.node(first).kind != ValueKind::Tuple) continue;
      const NodeId reference =
          document.add({.kind = ValueKind::Persistent, .items = {first}, .position = document.node(first).position});
      document.node(arguments).items[0] = reference;
    }
  }

  void read_tensors() {
    if (!members_.contains("tensors")) return;
    ByteCursor cursor = member("tensors");
    const int64_t total = count(cursor, "tensors");
    for (int64_t i = 0; i < total; ++i) {
      const auto items = tuple(small(cursor), 3, "tensor");
      const std::string label = key(items[0]);
      const auto storage = storages_.find(key(items[1]));
      if (storage == storages_.end()) wrong("tensor '{}' lies in a storage that is not there", printable(label));
      const auto rank = static_cast<int32_t>(cursor.u32());
      cursor.skip(4);  // the format has eight bytes for the rank
      if (rank < 0 || rank > 64) wrong("tensor '{}' has {} dimensions", printable(label), rank);
      StoredTensor tensor{.storage = storage->second.storage, .dtype = storage->second.dtype};
      for (int32_t d = 0; d < rank; ++d) tensor.sizes.push_back(static_cast<int64_t>(cursor.u64()));
      for (int32_t d = 0; d < rank; ++d) tensor.strides.push_back(static_cast<int64_t>(cursor.u64()));
      tensor.offset = static_cast<int64_t>(cursor.u64());
      const std::string where = fmt::format("{}: tensor '{}'", source_->name(), printable(label));
      if (const auto view = views_.find(key(items[1])); view != views_.end()) {
        check(tensor.offset >= 0 && tensor.offset <= storage->second.numel, "{}: offset {} leaves its storage", where,
              tensor.offset);
        tensor.offset += view->second;
      }
      validate(tensor, where);
      if (!tensors_.emplace(label, std::move(tensor)).second) wrong("tensor '{}' is there twice", printable(label));
    }
  }

  /// A reference out of the pickle: the key of a tensor or storage, or a class with its source.
  void place(Document& document, NodeId id) {
    const Node& pid = document.node(document.node(id).items[0]);
    if (pid.kind == ValueKind::Tuple) {
      wrong("pickle, byte {}: a pickled whole module with its source text; only state dicts can be read",
            document.node(id).position);
    }
    std::string label = pid.text;
    if (pid.kind == ValueKind::Int) label = std::to_string(pid.integer);
    if (pid.kind == ValueKind::BigInt) label = format_integer(pid.text);
    const auto found = tensors_.find(label);
    Node& node = document.node(id);
    if (found != tensors_.end()) {
      node.tensor = std::make_unique<StoredTensor>(found->second);
    } else {
      const auto storage = storages_.find(label);
      if (storage == storages_.end()) wrong("pickle, byte {}: '{}' is not there", node.position, printable(label));
      node.tensor = std::make_unique<StoredTensor>(StoredTensor{.storage = storage->second.storage,
                                                                .dtype = storage->second.dtype,
                                                                .sizes = {storage->second.numel},
                                                                .strides = {1}});
    }
    node.kind = ValueKind::Tensor;
    node.items.clear();
  }

  std::shared_ptr<const ByteSource> source_;
  std::map<std::string, Member> members_;
  Document* document_ = nullptr;
  std::unique_ptr<Document> scratch_;
  std::unordered_map<std::string, TarStorage> storages_;
  std::unordered_map<std::string, int64_t> views_;  // where a view begins in its root
  std::unordered_map<std::string, StoredTensor> tensors_;
};

}  // namespace

bool is_tar(const ByteSource& source) {
  if (source.size() < kBlock) return false;
  Header header;
  source.read(0, std::as_writable_bytes(std::span(header)));
  return checksum_holds(header);
}

std::shared_ptr<Document> read_torch_tar(std::shared_ptr<const ByteSource> source) {
  return TarReader(std::move(source)).read();
}

}  // namespace bevgrad
