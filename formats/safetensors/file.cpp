#include "formats/safetensors/file.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <tuple>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/text.h"
#include "safetensors/internal/json.h"
#include "sharded/internal/safetensors_parts.h"

namespace bevgrad {

namespace {

constexpr uint64_t kMaximumSafetensorsHeader = 100'000'000;  // the format's own limit
constexpr uint64_t kLengthBytes = 8;

constexpr std::array<std::pair<std::string_view, StoredDType>, 18> kDTypes{{
    {"F64", StoredDType::Float64},
    {"F32", StoredDType::Float32},
    {"F16", StoredDType::Float16},
    {"BF16", StoredDType::BFloat16},
    {"C64", StoredDType::Complex64},
    {"I64", StoredDType::Int64},
    {"I32", StoredDType::Int32},
    {"I16", StoredDType::Int16},
    {"I8", StoredDType::Int8},
    {"U64", StoredDType::UInt64},
    {"U32", StoredDType::UInt32},
    {"U16", StoredDType::UInt16},
    {"U8", StoredDType::UInt8},
    {"BOOL", StoredDType::Bool},
    {"F8_E4M3", StoredDType::Float8E4M3FN},
    {"F8_E5M2", StoredDType::Float8E5M2},
    {"F8_E8M0", StoredDType::Float8E8M0FNU},
    {"F8_E4M3FNUZ", StoredDType::Float8E4M3FNUZ},
}};

std::optional<StoredDType> dtype_named(std::string_view name) {
  if (name == "F8_E5M2FNUZ") return StoredDType::Float8E5M2FNUZ;
  for (const auto& [text, dtype] : kDTypes) {
    if (text == name) return dtype;
  }
  return std::nullopt;
}

std::string_view name_of(StoredDType dtype) {
  if (dtype == StoredDType::Float8E5M2FNUZ) return "F8_E5M2FNUZ";
  for (const auto& [text, known] : kDTypes) {
    if (known == dtype) return text;
  }
  return {};
}

uint64_t header_length(const ByteSource& source) {
  std::array<std::byte, kLengthBytes> bytes{};
  source.read(0, bytes);
  uint64_t out = 0;
  for (size_t i = kLengthBytes; i > 0; --i) out = (out << 8) | static_cast<uint64_t>(bytes[i - 1]);
  return out;
}

struct TensorRange {
  uint64_t begin;
  uint64_t end;
  std::string name;
};

StoredTensor read_entry(const Json& entry, const std::string& where, uint64_t data, uint64_t data_bytes,
                        const std::shared_ptr<const ByteSource>& source, TensorRange& range) {
  const Json* dtype_text = entry.find("dtype");
  const Json* shape = entry.find("shape");
  const Json* offsets = entry.find("data_offsets");
  check(entry.kind == Json::Kind::Object && dtype_text != nullptr && shape != nullptr && offsets != nullptr &&
            entry.items.size() == 3,
        "{}: its entry is not dtype, shape and data_offsets", where);
  const auto dtype = dtype_named(dtype_text->text);
  check(dtype.has_value(), "{}: dtype '{}' is not known", where, printable(dtype_text->text, 40));
  check(offsets->kind == Json::Kind::Array && offsets->items.size() == 2 && shape->kind == Json::Kind::Array,
        "{}: broken shape or data_offsets", where);
  StoredTensor tensor{.storage = nullptr, .dtype = *dtype};
  uint64_t bytes = item_size(*dtype);
  for (const Json& size : shape->items) {
    check(size.kind == Json::Kind::Integer && size.integer <= INT64_MAX &&
              !__builtin_mul_overflow(bytes, size.integer, &bytes),
          "{}: its shape overflows", where);
    tensor.sizes.push_back(static_cast<int64_t>(size.integer));
  }
  for (const Json& offset : offsets->items) {
    check(offset.kind == Json::Kind::Integer, "{}: broken data_offsets", where);
  }
  range.begin = offsets->items[0].integer;
  range.end = offsets->items[1].integer;
  check(range.begin <= range.end && range.end <= data_bytes,
        "{}: bytes {} to {} leave the data of {}: cut short, or a lie", where, range.begin, range.end, data_bytes);
  check(range.end - range.begin == bytes, "{}: {} of {} needs {} bytes, its range has {}", where, name(*dtype),
        to_string(tensor.sizes), bytes, range.end - range.begin);
  tensor.strides = contiguous_strides(tensor.sizes, where);
  tensor.storage = range_storage(where, source, data + range.begin, bytes);
  validate(tensor, where);
  return tensor;
}

}  // namespace

bool is_safetensors(const ByteSource& source) {
  if (source.size() < kLengthBytes + 2) return false;
  const uint64_t length = header_length(source);
  std::byte first{};
  source.read(kLengthBytes, {&first, 1});
  return length >= 2 && length <= source.size() - kLengthBytes && static_cast<char>(first) == '{';
}

std::shared_ptr<Document> read_safetensors(std::shared_ptr<const ByteSource> source) {
  const std::string& file = source->name();
  const uint64_t length = header_length(*source);
  check(length <= kMaximumSafetensorsHeader && length <= source->size() - kLengthBytes,
        "{}: a header of {} bytes in a file of {}", file, length, source->size());
  std::string header(length, '\0');
  source->read(kLengthBytes, std::as_writable_bytes(std::span(header)));
  const Json json = parse_json(header, file);
  check(json.kind == Json::Kind::Object, "{}: its header is no JSON object", file);

  const uint64_t data = kLengthBytes + length;
  const uint64_t data_bytes = source->size() - data;
  auto document = std::make_shared<Document>(file);
  document->root = document->make_dict();
  document->metadata = document->make_dict();
  std::vector<TensorRange> ranges;
  for (size_t i = 0; i < json.names.size(); ++i) {
    const std::string& name = json.names[i];
    const Json& entry = json.items[i];
    const std::string where = fmt::format("{}: tensor '{}'", file, printable(name));
    if (name == "__metadata__") {
      check(entry.kind == Json::Kind::Object, "{}: its metadata is no JSON object", file);
      for (size_t j = 0; j < entry.names.size(); ++j) {
        check(entry.items[j].kind == Json::Kind::String, "{}: its metadata '{}' is no text", file,
              printable(entry.names[j]));
        document->insert(document->metadata, entry.names[j], document->make_string(entry.items[j].text));
      }
      continue;
    }
    TensorRange range{0, 0, name};
    StoredTensor tensor = read_entry(entry, where, data, data_bytes, source, range);
    document->insert(document->root, name, document->make_tensor(std::move(tensor)));
    ranges.push_back(std::move(range));
  }
  std::sort(ranges.begin(), ranges.end(), [](const TensorRange& a, const TensorRange& b) {
    return std::tie(a.begin, a.end) < std::tie(b.begin, b.end);
  });
  uint64_t reached = 0;
  for (const TensorRange& range : ranges) {
    check(range.begin >= reached, "{}: tensor '{}' at byte {} overlaps the one before it", file, printable(range.name),
          range.begin);
    check(range.begin == reached, "{}: bytes {} to {} belong to no tensor", file, reached, range.begin);
    reached = range.end;
  }
  check(reached == data_bytes, "{}: bytes {} to {} belong to no tensor", file, reached, data_bytes);
  if (document->find(document->metadata, kShardingInfo)) {
    document->left_out.push_back(
        "other ranks' parts of these tensors (it is one file of a distributed checkpoint: give its folder)");
  }
  return document;
}

void write_safetensors(const std::string& path, const std::vector<NamedTensor>& tensors,
                       const std::vector<std::pair<std::string, std::string>>& metadata) {
  std::vector<size_t> order(tensors.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return swap_size(tensors[a].tensor.dtype) > swap_size(tensors[b].tensor.dtype);
  });
  std::vector<uint64_t> begins(tensors.size());
  uint64_t end = 0;
  for (const size_t i : order) {
    begins[i] = end;
    end += tensors[i].tensor.nbytes();
  }
  std::string header = "{";
  if (!metadata.empty()) {
    header += "\"__metadata__\":{";
    for (size_t i = 0; i < metadata.size(); ++i) {
      header += (i == 0 ? "" : ",") + json_string(metadata[i].first) + ":" + json_string(metadata[i].second);
    }
    header += "}";
  }
  for (size_t i = 0; i < tensors.size(); ++i) {
    const auto& [name, tensor] = tensors[i];
    const std::string_view dtype = name_of(tensor.dtype);
    check(!dtype.empty(), "{}: safetensors has no {}, the dtype of '{}'", path, bevgrad::name(tensor.dtype),
          printable(name));
    std::string shape;
    for (const int64_t size : tensor.sizes) shape += (shape.empty() ? "" : ",") + std::to_string(size);
    header +=
        fmt::format("{}{}:{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{},{}]}}", header.size() > 1 ? "," : "",
                    json_string(name), dtype, shape, begins[i], begins[i] + tensor.nbytes());
  }
  header += "}";
  header.append((8 - header.size() % 8) % 8, ' ');

  AtomicFile file(path);
  std::string length;
  for (int i = 0; i < 8; ++i) length.push_back(static_cast<char>(header.size() >> (8 * i)));
  file.write(length);
  file.write(header);
  for (const size_t i : order) {
    for_each_piece(tensors[i].tensor, [&](std::span<const std::byte> piece) { file.write(piece); });
  }
  file.commit();
}

}  // namespace bevgrad
