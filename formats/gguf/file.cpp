#include "formats/gguf/file.h"

#include <algorithm>
#include <bit>
#include <map>
#include <optional>
#include <unordered_set>

#include "base/error.h"
#include "base/text.h"
#include "formats/stored_tensor.h"
#include "gguf/internal/blocks.h"
#include "internal/owned_ranges.h"

namespace bevgrad {

namespace {

constexpr uint64_t kMaximumGgufText = 64 << 20;
constexpr uint64_t kMaximumGgufValues = 20'000'000;
constexpr uint64_t kMaximumGgufTensors = 1'000'000;
constexpr uint32_t kMaximumGgufRank = 8;
constexpr uint64_t kDefaultAlignment = 32;
constexpr int kMaximumGgufNesting = 4;

/// Types of metadata values.
enum class MetadataType : uint32_t { U8, I8, U16, I16, U32, I32, F32, Bool, Text, List, U64, I64, F64 };

std::optional<StoredDType> plain_type(uint32_t type) {
  switch (type) {
    case 0:
      return StoredDType::Float32;
    case 1:
      return StoredDType::Float16;
    case 24:
      return StoredDType::Int8;
    case 25:
      return StoredDType::Int16;
    case 26:
      return StoredDType::Int32;
    case 27:
      return StoredDType::Int64;
    case 28:
      return StoredDType::Float64;
    case 30:
      return StoredDType::BFloat16;
    default:
      return std::nullopt;
  }
}

class GgufReader {
 public:
  explicit GgufReader(std::shared_ptr<const ByteSource> source)
      : source_(std::move(source)),
        cursor_(source_, 0, source_->size()),
        document_(std::make_shared<Document>(source_->name())) {}

  std::shared_ptr<Document> read() {
    if (cursor_.take(4) != "GGUF") wrong("no GGUF file");
    const uint32_t version = cursor_.u32();
    if (version != 2 && version != 3) wrong("version {} of GGUF (or a big-endian file) is not known", version);
    const uint64_t tensors = cursor_.u64();
    const uint64_t values = cursor_.u64();
    if (tensors > kMaximumGgufTensors || values > kMaximumGgufTensors)
      wrong("{} tensors and {} values", tensors, values);
    document_->root = document_->make_dict();
    document_->metadata = document_->make_dict();
    read_metadata(values);
    read_tensors(tensors);
    return document_;
  }

 private:
  struct Described {
    std::string name;
    std::optional<StoredDType> dtype;
    const BlockFormat* blocks = nullptr;  // of a quantized one
    Shape sizes;
    uint64_t offset = 0;
  };

  template <class... Args>
  [[noreturn]] void wrong(fmt::format_string<Args...> format, Args&&... args) const {
    fail("{}: byte {}: {}", source_->name(), cursor_.position(), fmt::format(format, std::forward<Args>(args)...));
  }

  std::string text() {
    const uint64_t length = cursor_.u64();
    if (length > kMaximumGgufText || length > cursor_.remaining()) wrong("a text of {} bytes", length);
    return cursor_.take(length);
  }

  void count() {
    if (++counted_ > kMaximumGgufValues) wrong("more than {} values", kMaximumGgufValues);
  }

  NodeId value(uint32_t type, int depth) {
    count();
    switch (static_cast<MetadataType>(type)) {
      case MetadataType::U8:
        return document_->make_int(cursor_.u8());
      case MetadataType::I8:
        return document_->make_int(static_cast<int8_t>(cursor_.u8()));
      case MetadataType::U16:
        return document_->make_int(cursor_.u16());
      case MetadataType::I16:
        return document_->make_int(static_cast<int16_t>(cursor_.u16()));
      case MetadataType::U32:
        return document_->make_int(cursor_.u32());
      case MetadataType::I32:
        return document_->make_int(static_cast<int32_t>(cursor_.u32()));
      case MetadataType::F32:
        return document_->make_float(static_cast<double>(std::bit_cast<float>(cursor_.u32())));
      case MetadataType::Bool:
        return document_->make_bool(cursor_.u8() != 0);
      case MetadataType::Text:
        return document_->make_string(text());
      case MetadataType::List: {
        if (depth >= kMaximumGgufNesting) wrong("lists nested more than {} deep", kMaximumGgufNesting);
        const uint32_t of = cursor_.u32();
        const uint64_t length = cursor_.u64();
        if (length > cursor_.remaining()) wrong("a list of {} values", length);
        std::vector<NodeId> items;
        for (uint64_t i = 0; i < length; ++i) items.push_back(value(of, depth + 1));
        return document_->make_list(std::move(items));
      }
      case MetadataType::U64: {
        const uint64_t number = cursor_.u64();
        if (number <= INT64_MAX) return document_->make_int(static_cast<int64_t>(number));
        std::string digits;
        for (int i = 0; i < 9; ++i) digits.push_back(i < 8 ? static_cast<char>(number >> (8 * i)) : '\0');
        return document_->add({.kind = ValueKind::BigInt, .text = digits});
      }
      case MetadataType::I64:
        return document_->make_int(static_cast<int64_t>(cursor_.u64()));
      case MetadataType::F64:
        return document_->make_float(std::bit_cast<double>(cursor_.u64()));
    }
    wrong("a metadata value of type {}", type);
  }

  void read_metadata(uint64_t values) {
    std::unordered_set<std::string> names;
    for (uint64_t i = 0; i < values; ++i) {
      std::string name = text();
      if (!names.insert(name).second) wrong("metadata '{}' is there twice", printable(name));
      const NodeId id = value(cursor_.u32(), 0);
      const Node& node = document_->node(id);
      if (name == "general.alignment") {
        const bool right = node.kind == ValueKind::Int && node.integer > 0 && node.integer <= 1 << 20 &&
                           std::has_single_bit(static_cast<uint64_t>(node.integer));
        if (!right) wrong("a broken alignment");
        alignment_ = static_cast<uint64_t>(node.integer);
      }
      document_->insert(document_->metadata, name, id);
    }
  }

  void read_tensors(uint64_t count) {
    std::vector<Described> tensors;
    std::unordered_set<std::string> names;
    for (uint64_t i = 0; i < count; ++i) {
      Described tensor;
      tensor.name = text();
      if (!names.insert(tensor.name).second) wrong("tensor '{}' is there twice", printable(tensor.name));
      const uint32_t rank = cursor_.u32();
      if (rank > kMaximumGgufRank) wrong("tensor '{}' has {} dimensions", printable(tensor.name), rank);
      for (uint32_t d = 0; d < rank; ++d) {
        const uint64_t size = cursor_.u64();
        if (size > INT64_MAX) wrong("tensor '{}' has a size of {}", printable(tensor.name), size);
        tensor.sizes.push_back(static_cast<int64_t>(size));
      }
      // The fastest dimension comes first.
      std::reverse(tensor.sizes.begin(), tensor.sizes.end());
      const uint32_t type = cursor_.u32();
      tensor.dtype = plain_type(type);
      tensor.blocks = block_format(type);
      tensor.offset = cursor_.u64();
      if (tensor.blocks != nullptr) {
        tensor.dtype = StoredDType::Float32;
        ++decoded_[tensor.blocks->name];
      } else if (!tensor.dtype) {
        document_->left_out.push_back(fmt::format("tensor '{}' of ggml's type {}", printable(tensor.name), type));
      }
      tensors.push_back(std::move(tensor));
    }
    const uint64_t data = (cursor_.position() + alignment_ - 1) / alignment_ * alignment_;
    for (Described& tensor : tensors) {
      if (tensor.dtype) add_tensor(std::move(tensor), data);
    }
    ranges_.check_apart(source_->name());
    for (const auto& [format, count] : decoded_) {
      document_->left_out.push_back(
          fmt::format("the codes of {} tensors of {}: their values are float32", count, format));
    }
  }

  void add_tensor(Described described, uint64_t data) {
    const std::string where = fmt::format("{}: tensor '{}'", source_->name(), printable(described.name));
    StoredTensor tensor{.dtype = *described.dtype, .sizes = described.sizes};
    tensor.strides = contiguous_strides(tensor.sizes, where);
    uint64_t bytes = 0;
    const auto values = static_cast<uint64_t>(tensor.numel());
    const BlockFormat* blocks = described.blocks;
    if (blocks != nullptr) {
      check(!tensor.sizes.empty() && tensor.sizes.back() % blocks->values == 0,
            "{}: {} {} is no whole number of blocks of {} values", where, blocks->name, to_string(tensor.sizes),
            blocks->values);
    }
    const uint64_t items = blocks != nullptr ? values / blocks->values : values;
    const uint64_t item = blocks != nullptr ? blocks->bytes : item_size(tensor.dtype);
    const bool overflow =
        __builtin_mul_overflow(items, item, &bytes) || __builtin_add_overflow(data, described.offset, &data);
    check(!overflow, "{}: its sizes overflow", where);
    tensor.storage = range_storage(where, source_, data, bytes);
    ranges_.add(data, bytes, described.name);
    if (blocks != nullptr) tensor.storage = decoded_storage(tensor.storage, *blocks);
    validate(tensor, where);
    document_->insert(document_->root, described.name, document_->make_tensor(std::move(tensor)));
  }

  std::shared_ptr<const ByteSource> source_;
  ByteCursor cursor_;
  std::shared_ptr<Document> document_;
  std::map<std::string_view, size_t> decoded_;  // quantized tensors by format
  OwnedRanges ranges_;
  uint64_t alignment_ = kDefaultAlignment;
  uint64_t counted_ = 0;
};

}  // namespace

std::shared_ptr<Document> read_gguf(std::shared_ptr<const ByteSource> source) {
  return GgufReader(std::move(source)).read();
}

}  // namespace bevgrad
