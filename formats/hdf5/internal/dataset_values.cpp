#include "hdf5/internal/dataset_values.h"

#include <charconv>
#include <cstring>

#include "base/text.h"
#include "formats/hdf5/document_layout.h"

namespace bevgrad {

namespace {

constexpr uint64_t kMaximumDatasetValues = 20'000'000;  // some 2 GiB of them
constexpr uint64_t kTensorValues = 4;                   // what one takes
constexpr int64_t kMaximumDatasetBytes = 256 << 20;
constexpr uint64_t kTextSlack = 256 << 20;

}  // namespace

void DatasetValues::wrong_at(const std::string& at, const std::string& what) const {
  fail("{}: /{}: {}", path_, printable(at), what);
}

NodeId DatasetValues::tensor(const std::string& at) {
  count(kTensorValues, at);
  StoredTensor tensor = file_.stored(at);
  if (const auto parameter = file_.int_attribute(at, kParameterAttribute)) {
    tensor.is_parameter = true;
    tensor.requires_grad = *parameter == 2;
  } else if (file_.int_attribute(at, kRequiresGradAttribute).value_or(0) == 1) {
    tensor.requires_grad = true;
  }
  const auto strides = file_.text_attribute(at, kStridesAttribute);
  std::optional<SharedStorages::Part> part;
  if (strides) {
    part = SharedStorages::Part{.values = tensor, .path = at, .strides = parse_strides(at, *strides)};
    if (part->strides.size() != tensor.sizes.size()) wrong(at, "strides '{}' do not fit", printable(*strides, 80));
    if (const auto storage = file_.int_attribute(at, kStorageAttribute)) {
      part->storage = *storage;
      part->offset = file_.int_attribute(at, kOffsetAttribute).value_or(0);
    }
  }
  const NodeId id = document_.make_tensor(std::move(tensor));
  if (file_.int_attribute(at, kNumpyAttribute).value_or(0) == 1) document_.node(id).text = "numpy.ndarray";
  if (part) storages_.add(id, *std::move(part));
  return id;
}

NodeId DatasetValues::texts(const std::string& at) {
  std::vector<NodeId> items;
  for (std::string& text : file_.read_texts(at)) {
    charge(at, text.size());
    items.push_back(document_.make_string(std::move(text)));
  }
  count(items.size(), at);
  return file_.sizes(at).empty() && items.size() == 1 ? items[0] : document_.make_list(std::move(items));
}

std::string DatasetValues::bytes(const std::string& at) {
  const StoredTensor bytes = file_.stored(at);
  if (bytes.dtype != StoredDType::UInt8 || bytes.sizes.size() != 1 || bytes.sizes[0] > kMaximumDatasetBytes) {
    wrong(at, "no bytes");
  }
  std::string out(static_cast<size_t>(bytes.sizes[0]), '\0');
  charge(at, out.size());
  bytes.storage->read(0, std::as_writable_bytes(std::span(out)));
  return out;
}

std::vector<NodeId> DatasetValues::numbers(const std::string& at) {
  const StoredTensor stored = file_.stored(at);
  if (stored.numel() > kMaximumDatasetBytes / 8) wrong(at, "{} numbers", stored.numel());
  count(static_cast<uint64_t>(stored.numel()), at);
  std::vector<NodeId> out;
  const size_t step = item_size(stored.dtype);
  for_each_piece(stored, [&](std::span<const std::byte> piece) {
    for (size_t i = 0; i < piece.size(); i += step) {
      switch (stored.dtype) {
        case StoredDType::Bool:
          out.push_back(document_.make_bool(piece[i] != std::byte{0}));
          break;
        case StoredDType::Int64: {
          int64_t value = 0;
          std::memcpy(&value, &piece[i], sizeof value);
          out.push_back(document_.make_int(value));
          break;
        }
        case StoredDType::Float64:
          out.push_back(document_.make_float(to_double(stored.dtype, &piece[i])));
          break;
        default:
          wrong(at, "a list of {}", name(stored.dtype));
      }
    }
  });
  return out;
}

void DatasetValues::count(uint64_t values, const std::string& at) {
  values_ += values;
  if (values_ > kMaximumDatasetValues) wrong(at, "more than {} values", kMaximumDatasetValues);
}

void DatasetValues::charge(const std::string& at, uint64_t bytes) {
  texts_ += bytes;
  if (texts_ > file_.bytes() + kTextSlack) wrong(at, "its texts take more room than the file");
}

Shape DatasetValues::parse_strides(const std::string& at, std::string_view text) const {
  Shape out;
  while (!text.empty()) {
    int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || value < 0) wrong(at, "broken strides '{}'", printable(text, 80));
    out.push_back(value);
    text.remove_prefix(static_cast<size_t>(end - text.data()));
    if (!text.empty() && text[0] != ',') wrong(at, "broken strides '{}'", printable(text, 80));
    if (!text.empty()) text.remove_prefix(1);
  }
  return out;
}

}  // namespace bevgrad
