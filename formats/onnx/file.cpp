#include "formats/onnx/file.h"

#include <array>
#include <cstring>
#include <optional>
#include <unordered_set>

#include "base/error.h"
#include "base/text.h"
#include "formats/stored_tensor.h"
#include "internal/limits.h"
#include "internal/protobuf_message.h"

namespace bevgrad {

namespace {

constexpr uint64_t kMaximumOnnxText = 16 << 20;
constexpr uint64_t kMaximumOnnxNumbers = 64 << 20;  // that are written one by one, as numbers of changing length
constexpr size_t kMaximumOnnxTensors = 1'000'000;

struct ElementType {
  StoredDType dtype;
  uint64_t list;  // the field that holds values one by one, where there are no raw bytes
};

std::optional<ElementType> element_type(uint64_t type) {
  constexpr uint64_t kFloats = 4;
  constexpr uint64_t kIntegers = 5;
  constexpr uint64_t kLongs = 7;
  constexpr uint64_t kDoubles = 10;
  constexpr uint64_t kUnsigned = 11;
  static constexpr std::array<std::pair<uint64_t, ElementType>, 18> kTypes{
      {{1, {StoredDType::Float32, kFloats}},
       {2, {StoredDType::UInt8, kIntegers}},
       {3, {StoredDType::Int8, kIntegers}},
       {4, {StoredDType::UInt16, kIntegers}},
       {5, {StoredDType::Int16, kIntegers}},
       {6, {StoredDType::Int32, kIntegers}},
       {7, {StoredDType::Int64, kLongs}},
       {9, {StoredDType::Bool, kIntegers}},
       {10, {StoredDType::Float16, kIntegers}},
       {11, {StoredDType::Float64, kDoubles}},
       {12, {StoredDType::UInt32, kUnsigned}},
       {13, {StoredDType::UInt64, kUnsigned}},
       {14, {StoredDType::Complex64, kFloats}},
       {15, {StoredDType::Complex128, kDoubles}},
       {16, {StoredDType::BFloat16, kIntegers}},
       {17, {StoredDType::Float8E4M3FN, kIntegers}},
       {19, {StoredDType::Float8E5M2, kIntegers}},
       {18, {StoredDType::Float8E4M3FNUZ, kIntegers}}}};
  for (const auto& [code, known] : kTypes) {
    if (code == type) return known;
  }
  return std::nullopt;
}

class OnnxReader {
 public:
  explicit OnnxReader(std::shared_ptr<const ByteSource> source)
      : source_(std::move(source)), document_(std::make_shared<Document>(source_->name())) {}

  std::shared_ptr<Document> read() {
    document_->root = document_->make_dict();
    document_->metadata = document_->make_dict();
    ProtobufMessage model(source_, 0, source_->size());
    while (const auto field = model.next()) {
      switch (field->number) {
        case 1:
          put_metadata("ir_version", document_->make_int(static_cast<int64_t>(field->value)));
          break;
        case 2:
          put_metadata("producer_name", document_->make_string(text(*field)));
          break;
        case 3:
          put_metadata("producer_version", document_->make_string(text(*field)));
          break;
        case 7:
          read_graph(*field);
          break;
        case 14:
          read_property(*field);
          break;
        default:
          break;
      }
    }
    return document_;
  }

 private:
  std::string text(const ProtobufField& field) const {
    check(field.is_bytes && field.end - field.begin <= kMaximumOnnxText, "{}: byte {}: no text", source_->name(),
          field.begin);
    std::string out(field.end - field.begin, '\0');
    source_->read(field.begin, std::as_writable_bytes(std::span(out)));
    return out;
  }

  ProtobufMessage message(const ProtobufField& field) const {
    check(field.is_bytes, "{}: byte {}: a number where a message is expected", source_->name(), field.begin);
    return {source_, field.begin, field.end};
  }

  void put_metadata(const std::string& name, NodeId value) {
    check(++properties_ <= kMaximumOnnxTensors, "{}: more than {} properties", source_->name(), kMaximumOnnxTensors);
    document_->insert(document_->metadata, name, value);
  }

  /// StringStringEntryProto
  void read_property(const ProtobufField& field) {
    std::string key;
    std::string value;
    ProtobufMessage entry = message(field);
    while (const auto part = entry.next()) {
      if (part->number == 1) key = text(*part);
      if (part->number == 2) value = text(*part);
    }
    put_metadata(key, document_->make_string(value));
  }

  void read_graph(const ProtobufField& field) {
    constexpr uint64_t kInitializer = 5;
    ProtobufMessage graph = message(field);
    while (const auto part = graph.next()) {
      if (part->number == kInitializer) read_tensor(*part);
    }
  }

  /// TensorProto
  struct Described {
    std::string name;
    uint64_t type = 0;
    Shape sizes;
    std::optional<ProtobufField> raw;
    std::vector<ProtobufField> lists;
    bool external = false;
  };

  void add_size(Described& tensor, uint64_t size) const {
    check(size <= INT64_MAX && tensor.sizes.size() < kMaximumRank, "{}: a broken shape", source_->name());
    tensor.sizes.push_back(static_cast<int64_t>(size));
  }

  Described describe_tensor(const ProtobufField& field) const {
    Described out;
    ProtobufMessage tensor = message(field);
    while (const auto part = tensor.next()) {
      switch (part->number) {
        case 1:
          if (!part->is_bytes) {
            add_size(out, part->value);
          } else {
            for (ProtobufMessage sizes = message(*part); !sizes.at_end();) add_size(out, sizes.varint());
          }
          break;
        case 2:
          out.type = part->value;
          break;
        case 8:
          out.name = text(*part);
          break;
        case 9:
          out.raw = *part;
          break;
        case 14:
          out.external = part->value == 1;
          break;
        case 4:
        case 5:
        case 7:
        case 10:
        case 11:
          check(out.lists.size() < kMaximumOnnxTensors, "{}: byte {}: values in too many pieces", source_->name(),
                part->begin);
          out.lists.push_back(*part);
          break;
        default:
          break;
      }
    }
    return out;
  }

  void read_tensor(const ProtobufField& field) {
    const Described described = describe_tensor(field);
    const std::string where = fmt::format("{}: initialiser '{}'", source_->name(), printable(described.name));
    check(names_.size() < kMaximumOnnxTensors, "{}: more than {} initialisers", source_->name(), kMaximumOnnxTensors);
    check(names_.insert(described.name).second, "{}: it is there twice", where);
    const auto type = element_type(described.type);
    if (!type || described.external) {
      document_->left_out.push_back(
          fmt::format("initialiser '{}' ({})", printable(described.name),
                      type ? "its values lie in another file" : "its elements are no numbers"));
      return;
    }
    StoredTensor tensor{.dtype = type->dtype, .sizes = described.sizes};
    tensor.strides = contiguous_strides(tensor.sizes, where);
    uint64_t bytes = 0;
    check(!__builtin_mul_overflow(static_cast<uint64_t>(tensor.numel()), item_size(tensor.dtype), &bytes),
          "{}: its sizes overflow", where);
    if (described.raw) {
      check(described.raw->is_bytes && described.raw->end - described.raw->begin == bytes,
            "{}: {} needs {} bytes, {} are there", where, describe(tensor), bytes,
            described.raw->end - described.raw->begin);
      tensor.storage = range_storage(where, source_, described.raw->begin, bytes);
    } else {
      tensor.storage = listed_values(described, *type, bytes, where);
    }
    validate(tensor, where);
    document_->insert(document_->root, described.name, document_->make_tensor(std::move(tensor)));
  }

  /// Values that are written as a list of numbers. Those of fixed length lie there as they are.
  std::shared_ptr<const StoredStorage> listed_values(const Described& tensor, const ElementType& type, uint64_t bytes,
                                                     const std::string& where) {
    const size_t step = item_size(type.dtype);
    const bool fixed = type.list == 4 || type.list == 10;
    if (fixed && tensor.lists.size() == 1 && tensor.lists[0].is_bytes &&
        tensor.lists[0].end - tensor.lists[0].begin == bytes && tensor.lists[0].number == type.list) {
      return range_storage(where, source_, tensor.lists[0].begin, bytes);
    }
    std::string out;
    const auto add = [&](uint64_t value, size_t width) {
      held_ += width;
      check(held_ <= kMaximumOnnxNumbers && out.size() + width <= bytes, "{}: more values than its sizes need", where);
      for (size_t i = 0; i < width; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
    };
    for (const ProtobufField& field : tensor.lists) {
      check(field.number == type.list, "{}: values of another type", where);
      const size_t width = type.list == 4 ? 4 : type.list == 10 ? 8 : step;
      if (!field.is_bytes) {
        add(field.value, width);
      } else if (fixed) {
        ByteCursor cursor(source_, field.begin, field.end);
        while (cursor.remaining() > 0) add(width == 4 ? cursor.u32() : cursor.u64(), width);
      } else {
        for (ProtobufMessage values = message(field); !values.at_end();) add(values.varint(), width);
      }
    }
    check(out.size() == bytes, "{}: {} bytes of values, {} are needed", where, out.size(), bytes);
    return range_storage(where, memory_source(where, out), 0, bytes);
  }

  std::shared_ptr<const ByteSource> source_;
  std::shared_ptr<Document> document_;
  std::unordered_set<std::string> names_;
  size_t properties_ = 0;
  uint64_t held_ = 0;
};

}  // namespace

bool is_onnx(const std::shared_ptr<const ByteSource>& source) {
  constexpr uint64_t kHighestField = 25;  // of ModelProto
  if (source->size() < 4) return false;
  try {
    bool version = false;
    bool graph = false;
    ProtobufMessage model(source, 0, source->size());
    while (const auto field = model.next()) {
      if (field->number == 0 || field->number > kHighestField) return false;
      version |= field->number == 1 && !field->is_bytes && field->value > 0 && field->value < 1000;
      graph |= field->number == 7 && field->is_bytes;
    }
    return version && graph;
  } catch (const Error&) {
    return false;
  }
}

std::shared_ptr<Document> read_onnx(std::shared_ptr<const ByteSource> source) {
  return OnnxReader(std::move(source)).read();
}

}  // namespace bevgrad
