#include "formats/onnx/file.h"

#include <array>
#include <charconv>
#include <filesystem>
#include <map>
#include <unordered_set>

#include "base/error.h"
#include "base/text.h"
#include "formats/sharded/folder.h"
#include "formats/stored_tensor.h"
#include "internal/limits.h"
#include "internal/protobuf_message.h"

namespace bevgrad {

namespace {

constexpr uint64_t kMaximumOnnxText = 16 << 20;
constexpr uint64_t kMaximumOnnxNumbers = 64 << 20;  // that are written one by one, as numbers of changing length
constexpr size_t kMaximumOnnxTensors = 1'000'000;
constexpr size_t kMaximumPlaceEntries = 64;
constexpr int kMaximumGraphDepth = 32;

// Fields of GraphProto.
constexpr uint64_t kNode = 1;
constexpr uint64_t kInitializer = 5;
constexpr uint64_t kSparseInitializer = 15;

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
  static constexpr std::array<std::pair<uint64_t, ElementType>, 20> kTypes{
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
       {18, {StoredDType::Float8E4M3FNUZ, kIntegers}},
       {20, {StoredDType::Float8E5M2FNUZ, kIntegers}},
       {24, {StoredDType::Float8E8M0FNU, kIntegers}}}};
  for (const auto& [code, known] : kTypes) {
    if (code == type) return known;
  }
  return std::nullopt;
}

class OnnxReader {
 public:
  OnnxReader(std::shared_ptr<const ByteSource> source, std::optional<std::string> folder)
      : source_(std::move(source)),
        folder_(std::move(folder)),
        document_(std::make_shared<Document>(source_->name())) {}

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
    const auto note = [&](const Others& others, const char* what) {
      if (others.count == 0) return;
      document_->left_out.push_back(fmt::format("{} tensors {} ({} bytes)", others.count, what, others.bytes));
    };
    note(in_nodes_, "in attributes of nodes (Constant)");
    note(in_inner_graphs_, "of inner graphs (If, Loop, Scan)");
    return document_;
  }

 private:
  /// Tensors that are no initialisers of the model's graph.
  struct Others {
    size_t count = 0;
    uint64_t bytes = 0;
    void add(const ProtobufField& field) {
      ++count;
      bytes += field.end - field.begin;
    }
  };

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
  std::pair<std::string, std::string> read_entry(const ProtobufField& field) const {
    std::pair<std::string, std::string> out;
    ProtobufMessage entry = message(field);
    while (const auto part = entry.next()) {
      if (part->number == 1) out.first = text(*part);
      if (part->number == 2) out.second = text(*part);
    }
    return out;
  }

  void read_property(const ProtobufField& field) {
    auto [key, value] = read_entry(field);
    put_metadata(key, document_->make_string(std::move(value)));
  }

  void read_graph(const ProtobufField& field) {
    ProtobufMessage graph = message(field);
    while (const auto part = graph.next()) {
      if (part->number == kInitializer) read_tensor(*part);
      if (part->number == kSparseInitializer) read_sparse_tensor(*part);
      if (part->number == kNode) look_into_node(*part, 0);
    }
  }

  /// SparseTensorProto, whose values have the name.
  void read_sparse_tensor(const ProtobufField& field) {
    std::string name;
    ProtobufMessage tensor = message(field);
    while (const auto part = tensor.next()) {
      if (part->number == 1) name = describe_tensor(*part).name;
    }
    document_->left_out.push_back(fmt::format("sparse initialiser '{}'", printable(name)));
  }

  /// Counts what the attributes of a node hold.
  void look_into_node(const ProtobufField& field, int depth) {
    constexpr uint64_t kAttribute = 5;
    check(depth < kMaximumGraphDepth, "{}: byte {}: graphs nested too deeply", source_->name(), field.begin);
    ProtobufMessage node = message(field);
    while (const auto attribute = node.next()) {
      if (attribute->number != kAttribute) continue;
      ProtobufMessage parts = message(*attribute);
      while (const auto part = parts.next()) {
        if (part->number == 5 || part->number == 10) in_nodes_.add(*part);
        if (part->number == 6 || part->number == 11) look_into_graph(*part, depth);
      }
    }
  }

  void look_into_graph(const ProtobufField& field, int depth) {
    ProtobufMessage graph = message(field);
    while (const auto part = graph.next()) {
      if (part->number == kInitializer || part->number == kSparseInitializer) in_inner_graphs_.add(*part);
      if (part->number == kNode) look_into_node(*part, depth + 1);
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
    std::vector<std::pair<std::string, std::string>> place = {};  // of external values: location, offset, length
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
        case 13:
          check(out.place.size() < kMaximumPlaceEntries, "{}: byte {}: too many entries", source_->name(), part->begin);
          out.place.push_back(read_entry(*part));
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
    if (!type) return leave_out(described, "its elements are no numbers");
    StoredTensor tensor{.dtype = type->dtype, .sizes = described.sizes};
    tensor.strides = contiguous_strides(tensor.sizes, where);
    uint64_t bytes = 0;
    check(!__builtin_mul_overflow(static_cast<uint64_t>(tensor.numel()), item_size(tensor.dtype), &bytes),
          "{}: its sizes overflow", where);
    if (described.external) {
      tensor.storage = external_values(described, bytes, where);
      if (!tensor.storage) return;
    } else if (described.raw) {
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

  void leave_out(const Described& tensor, const std::string& why) {
    document_->left_out.push_back(fmt::format("initialiser '{}' ({})", printable(tensor.name), why));
  }

  /// Values in a file beside the model. Nothing where there is none, which is noted.
  std::shared_ptr<const StoredStorage> external_values(const Described& tensor, uint64_t bytes,
                                                       const std::string& where) {
    std::string location;
    uint64_t offset = 0;
    uint64_t length = bytes;
    for (const auto& [key, value] : tensor.place) {
      if (key == "location") location = value;
      if (key != "offset" && key != "length") continue;
      uint64_t& number = key == "offset" ? offset : length;
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
      check(error == std::errc() && end == value.data() + value.size(), "{}: broken {} '{}'", where, key,
            printable(value, 40));
    }
    namespace fs = std::filesystem;
    std::error_code error;
    const bool beside = folder_ && location == fs::path(location).filename().string() &&
                        fs::is_regular_file(fs::path(*folder_) / location, error);
    if (!beside) {
      leave_out(tensor, fmt::format("its values lie in another file, '{}', which is not beside this one",
                                    printable(location, 80)));
      return nullptr;
    }
    auto& file = beside_[location];
    if (!file) file = open_file(path_in_folder(*folder_, location, where));
    check(length == bytes && offset <= file->size() && bytes <= file->size() - offset,
          "{}: {} bytes at byte {} of '{}' ({} bytes) are stated, its sizes need {}", where, length, offset,
          printable(location, 80), file->size(), bytes);
    return range_storage(where, file, offset, bytes);
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
  std::optional<std::string> folder_;
  std::shared_ptr<Document> document_;
  std::unordered_set<std::string> names_;
  std::map<std::string, std::shared_ptr<const ByteSource>> beside_;
  Others in_nodes_;
  Others in_inner_graphs_;
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

std::shared_ptr<Document> read_onnx(std::shared_ptr<const ByteSource> source,
                                    const std::optional<std::string>& folder) {
  return OnnxReader(std::move(source), folder).read();
}

}  // namespace bevgrad
