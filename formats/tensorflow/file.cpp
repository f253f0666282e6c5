#include "formats/tensorflow/file.h"

#include <filesystem>
#include <functional>
#include <map>
#include <unordered_set>

#include "base/error.h"
#include "base/text.h"
#include "formats/sharded/folder.h"
#include "internal/limits.h"
#include "internal/owned_ranges.h"
#include "internal/protobuf_message.h"

namespace bevgrad {

namespace {

// The index is a LevelDB table: blocks of sorted keys and values, of which one lists the others, and a footer.
constexpr uint64_t kCheckpointMagic = 0xdb4775248b80fb57;
constexpr uint64_t kFooter = 48;
constexpr uint64_t kTrailer = 5;  // behind a block: how it is compressed, and a checksum
constexpr uint64_t kMaximumCheckpointIndex = 1 << 30;
constexpr size_t kMaximumCheckpointTensors = 4'000'000;
constexpr uint64_t kMaximumShards = 100'000;
constexpr std::string_view kCheckpointExtension = ".index";
constexpr std::string_view kVariable = "/.ATTRIBUTES/VARIABLE_VALUE";

std::optional<StoredDType> dtype_of(uint64_t type) {
  switch (type) {
    case 1:
      return StoredDType::Float32;
    case 2:
      return StoredDType::Float64;
    case 3:
      return StoredDType::Int32;
    case 4:
      return StoredDType::UInt8;
    case 5:
      return StoredDType::Int16;
    case 6:
      return StoredDType::Int8;
    case 8:
      return StoredDType::Complex64;
    case 9:
      return StoredDType::Int64;
    case 10:
      return StoredDType::Bool;
    case 14:
      return StoredDType::BFloat16;
    case 17:
      return StoredDType::UInt16;
    case 18:
      return StoredDType::Complex128;
    case 19:
      return StoredDType::Float16;
    case 22:
      return StoredDType::UInt32;
    case 23:
      return StoredDType::UInt64;
    case 24:
      return StoredDType::Float8E5M2;
    case 25:
      return StoredDType::Float8E4M3FN;
    default:
      return std::nullopt;
  }
}

/// A range of the index.
struct Range {
  uint64_t begin = 0;
  uint64_t end = 0;
};

struct Entry {
  uint64_t type = 0;
  Shape sizes;
  uint64_t shard = 0;
  uint64_t offset = 0;
  uint64_t bytes = 0;
  bool sliced = false;
};

class TensorflowReader {
 public:
  TensorflowReader(const std::string& path, std::shared_ptr<const ByteSource> index)
      : path_(path), index_(std::move(index)), document_(std::make_shared<Document>(path)) {}

  std::shared_ptr<Document> read() {
    check(path_.ends_with(kCheckpointExtension),
          "{}: the index of a TensorFlow checkpoint, whose values lie beside it in {}", path_,
          "NAME.data-00000-of-00001; call it NAME.index");
    check(index_->size() <= kMaximumCheckpointIndex, "{}: an index of {} bytes", path_, index_->size());
    document_->root = document_->make_dict();
    const uint64_t footer = index_->size() - kFooter;
    ProtobufMessage handles(index_, footer, index_->size());
    block(handles);  // of filters, which are not needed
    const Range top = block(handles);
    each_entry(top, [&](const std::string&, Range handle) {
      ProtobufMessage where(index_, handle.begin, handle.end);
      each_entry(block(where), [&](const std::string& name, Range value) { add(name, value); });
    });
    check(header_, "{}: it does not say what it consists of", path_);
    for (auto& [number, ranges] : ranges_) ranges.check_apart(path_);
    return document_;
  }

 private:
  /// A handle: where a block begins, and its size.
  Range block(ProtobufMessage& handle) const {
    const uint64_t begin = handle.varint();
    const uint64_t size = handle.varint();
    check(begin <= index_->size() && size <= index_->size() - begin && kTrailer <= index_->size() - begin - size,
          "{}: a block of {} bytes at byte {} leaves the file", path_, size, begin);
    std::byte compression{};
    index_->read(begin + size, std::span(&compression, 1));
    check(compression == std::byte{0}, "{}: its block at byte {} is compressed, as TensorFlow writes none", path_,
          begin);
    return {begin, begin + size};
  }

  /// Keys share their beginnings with the ones before them. At the end lie 32-bit numbers: restarts, and their count.
  void each_entry(Range block, const std::function<void(const std::string& key, Range value)>& found) {
    check(block.end - block.begin >= 4, "{}: a block of {} bytes", path_, block.end - block.begin);
    ByteCursor tail(index_, block.end - 4, block.end);
    const uint64_t restarts = tail.u32();
    check(restarts < (block.end - block.begin) / 4, "{}: a block with {} restarts", path_, restarts);
    uint64_t at = block.begin;
    const uint64_t end = block.end - 4 * (restarts + 1);
    std::string key;
    while (at < end) {
      check(++entries_ <= kMaximumCheckpointTensors, "{}: more than {} tensors", path_, kMaximumCheckpointTensors);
      ByteCursor cursor(index_, at, end);
      const auto number = [&] {
        uint64_t out = 0;
        for (int shift = 0; shift < 35; shift += 7) {
          const uint8_t byte = cursor.u8();
          out |= static_cast<uint64_t>(byte & 0x7f) << shift;
          if (byte < 0x80) return out;
        }
        fail("{}: byte {}: a broken number", path_, cursor.position());
      };
      const uint64_t shared = number();
      const uint64_t own = number();
      const uint64_t value = number();
      check(shared <= key.size() && own <= cursor.remaining(), "{}: byte {}: a broken key", path_, at);
      key.resize(shared);
      key += cursor.take(own);
      check(value <= cursor.remaining(), "{}: byte {}: a value of {} bytes leaves its block", path_, at, value);
      const uint64_t begin = cursor.position();
      at = begin + value;
      found(key, {begin, at});
    }
  }

  void add(const std::string& key, Range value) {
    if (key.empty()) return read_header(value);
    check(header_, "{}: '{}' comes before the header", path_, printable(key));
    const Entry entry = entry_of(value);
    std::string name = key;
    if (name.ends_with(kVariable)) name.resize(name.size() - kVariable.size());
    const auto dtype = dtype_of(entry.type);
    if (!dtype || entry.sliced) {
      if (key.find('\0') != std::string::npos) return;  // one slice of a variable that has been named
      document_->left_out.push_back(fmt::format("'{}' ({})", printable(name, 120),
                                                entry.sliced      ? "a variable in slices"
                                                : entry.type == 7 ? "texts"
                                                                  : fmt::format("type {}", entry.type)));
      return;
    }
    const std::string where = fmt::format("{}: '{}'", path_, printable(name));
    StoredTensor tensor{.dtype = *dtype, .sizes = entry.sizes, .strides = contiguous_strides(entry.sizes, where)};
    check(
        tensor.nbytes() == entry.bytes && tensor.nbytes() / item_size(*dtype) == static_cast<uint64_t>(tensor.numel()),
        "{}: {} has {} bytes", where, describe(tensor), entry.bytes);
    const auto& values = shard(entry.shard);
    check(entry.offset <= values->size() && entry.bytes <= values->size() - entry.offset,
          "{}: its {} bytes at byte {} leave {}, which has {}", where, entry.bytes, entry.offset, values->name(),
          values->size());
    tensor.storage = range_storage(where, values, entry.offset, entry.bytes);
    ranges_[entry.shard].add(entry.offset, entry.bytes, name);
    if (big_endian_) tensor.storage = swapped_storage(tensor.storage, swap_size(*dtype));
    validate(tensor, where);
    check(names_.insert(name).second, "{}: it is there twice", where);
    document_->insert(document_->root, name, document_->make_tensor(std::move(tensor)));
  }

  void read_header(Range value) {
    ProtobufMessage message(index_, value.begin, value.end);
    shards_ = 0;
    while (const auto field = message.next()) {
      if (field->number == 1) shards_ = field->value;
      if (field->number == 2) big_endian_ = field->value != 0;
    }
    check(shards_ >= 1 && shards_ <= kMaximumShards, "{}: {} files of values", path_, shards_);
    header_ = true;
  }

  Entry entry_of(Range value) const {
    Entry out;
    ProtobufMessage message(index_, value.begin, value.end);
    while (const auto field = message.next()) {
      switch (field->number) {
        case 1:
          out.type = field->value;
          break;
        case 2:
          if (field->is_bytes) out.sizes = sizes_of({field->begin, field->end});
          break;
        case 3:
          out.shard = field->value;
          break;
        case 4:
          out.offset = field->value;
          break;
        case 5:
          out.bytes = field->value;
          break;
        case 7:
          out.sliced = true;
          break;
        default:
          break;
      }
    }
    return out;
  }

  Shape sizes_of(Range value) const {
    Shape out;
    ProtobufMessage shape(index_, value.begin, value.end);
    while (const auto dimension = shape.next()) {
      if (dimension->number != 2 || !dimension->is_bytes) continue;
      check(out.size() < kMaximumRank, "{}: more than {} dimensions", path_, kMaximumRank);
      out.push_back(0);
      ProtobufMessage inside(index_, dimension->begin, dimension->end);
      while (const auto size = inside.next()) {
        if (size->number == 1 && !size->is_bytes) out.back() = static_cast<int64_t>(size->value);
      }
    }
    return out;
  }

  const std::shared_ptr<const ByteSource>& shard(uint64_t number) {
    check(number < shards_, "{}: its values lie in file {} of {}", path_, number, shards_);
    auto& source = sources_[number];
    if (!source) {
      const std::filesystem::path whole(path_);
      const std::string name = whole.filename().string();
      source = open_file(
          path_in_folder(whole.parent_path().string(),
                         fmt::format("{}.data-{:05}-of-{:05}",
                                     name.substr(0, name.size() - kCheckpointExtension.size()), number, shards_),
                         path_));
    }
    return source;
  }

  std::string path_;
  std::shared_ptr<const ByteSource> index_;
  std::shared_ptr<Document> document_;
  bool header_ = false;
  bool big_endian_ = false;
  uint64_t shards_ = 0;
  size_t entries_ = 0;
  std::map<uint64_t, std::shared_ptr<const ByteSource>> sources_;
  std::map<uint64_t, OwnedRanges> ranges_;  // by the file of values
  std::unordered_set<std::string> names_;
};

}  // namespace

bool is_tensorflow_index(const ByteSource& source) {
  if (source.size() < kFooter) return false;
  uint64_t magic = 0;
  source.read(source.size() - sizeof magic, std::as_writable_bytes(std::span(&magic, 1)));
  return magic == kCheckpointMagic;
}

std::shared_ptr<Document> read_tensorflow(const std::string& path, const std::shared_ptr<const ByteSource>& index) {
  return TensorflowReader(path, index).read();
}

}  // namespace bevgrad
