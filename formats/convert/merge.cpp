#include "formats/convert/merge.h"

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <tuple>
#include <unordered_map>

#include "base/error.h"
#include "base/text.h"
#include "convert/internal/converted_tensor.h"
#include "internal/state_dict_node.h"

namespace bevgrad {

namespace {

constexpr size_t kMergedPieceElements = 1 << 17;

/// The real numbers that a value is made of.
struct Parts {
  StoredDType dtype;
  size_t count;
};

/// Nothing for what is no floating-point number. Throws for numbers of a width that nothing is stored in here.
std::optional<Parts> parts_of(StoredDType dtype, const std::string& name) {
  switch (dtype) {
    case StoredDType::Float64:
    case StoredDType::Float32:
    case StoredDType::Float16:
    case StoredDType::BFloat16:
      return Parts{dtype, 1};
    case StoredDType::Complex128:
      return Parts{StoredDType::Float64, 2};
    case StoredDType::Complex64:
      return Parts{StoredDType::Float32, 2};
    case StoredDType::Complex32:
      return Parts{StoredDType::Float16, 2};
    default:
      check(!is_floating_point(dtype), "'{}' is {}, which is not merged: convert it first (--dtype)", printable(name),
            bevgrad::name(dtype));
      return std::nullopt;
  }
}

/// The values of a combination of tensors in logical order; reads that come in order are streamed.
class CombinedStorage : public StoredStorage {
 public:
  CombinedStorage(std::vector<StoredTensor> tensors, std::vector<Parts> parts, std::vector<double> weights)
      : StoredStorage(tensors[0].storage->name(), tensors[0].nbytes()),
        tensors_(std::move(tensors)),
        parts_(std::move(parts)),
        weights_(std::move(weights)) {}

 private:
  void read_checked(uint64_t offset, std::span<std::byte> out) const override {
    const std::scoped_lock lock(mutex_);
    const StoredDType dtype = parts_[0].dtype;
    const size_t step = item_size(dtype), value = step * parts_[0].count;
    check(offset % value == 0 && out.size() % value == 0, "{}: a part of a value is read", name());
    const uint64_t element = offset / value;
    if (readers_.empty() || element < position_) restart();
    while (position_ < element) sum(std::min<uint64_t>(kMergedPieceElements, element - position_));
    while (!out.empty()) {
      sum(std::min<uint64_t>(kMergedPieceElements, out.size() / value));
      for (size_t i = 0; i < sums_.size(); ++i) from_double(dtype, sums_[i], &out[i * step]);
      out = out.subspan(sums_.size() * step);
    }
    if (readers_[0]->remaining() == 0) readers_.clear();
  }

  void restart() const {
    readers_.clear();
    for (const StoredTensor& tensor : tensors_) readers_.push_back(std::make_unique<ValueReader>(tensor));
    position_ = 0;
  }

  void sum(uint64_t count) const {
    sums_.assign(count * parts_[0].count, 0);
    for (size_t t = 0; t < tensors_.size(); ++t) {
      const size_t step = item_size(parts_[t].dtype);
      piece_.resize(sums_.size() * step);
      readers_[t]->read(piece_);
      for (size_t i = 0; i < sums_.size(); ++i) sums_[i] += weights_[t] * to_double(parts_[t].dtype, &piece_[i * step]);
    }
    position_ += count;
  }

  std::vector<StoredTensor> tensors_;
  std::vector<Parts> parts_;  // of the tensors: as many of each
  std::vector<double> weights_;
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<ValueReader>> readers_;
  mutable std::vector<std::byte> piece_;
  mutable std::vector<double> sums_;
  mutable uint64_t position_ = 0;
};

/// Equal for tensors that are the same values in the same place.
using Place = std::tuple<const void*, StoredDType, int64_t, Shape, Shape>;

Place place_of(const StoredTensor& tensor) {
  return {identity(*tensor.storage), tensor.dtype, tensor.offset, tensor.sizes, tensor.strides};
}

}  // namespace

MergedCheckpoint merge_checkpoints(std::vector<CheckpointFile> files, const std::vector<double>& weights) {
  check(!files.empty() && files.size() == weights.size(), "merge: {} files, but {} weights", files.size(),
        weights.size());
  std::vector<std::unordered_map<std::string, StoredTensor>> others;
  for (size_t i = 1; i < files.size(); ++i) {
    others.emplace_back();
    for (NamedTensor& tensor : named_tensors(files[i])) others.back().emplace(tensor.name, std::move(tensor.tensor));
  }
  CheckpointFile& first = files[0];
  Document& document = *first.document;
  const auto state_dict = find_state_dict(document);
  check(state_dict.has_value(), "{}: no dictionary of parameters", first.path);
  const auto parameters = parameter_nodes(document, *state_dict);
  for (size_t i = 0; i < others.size(); ++i) {
    check(others[i].size() == parameters.size(), "{} has {} parameters, {} has {}", first.path, parameters.size(),
          files[i + 1].path, others[i].size());
  }
  MergedCheckpoint merged;
  // Names of one tensor in every file stay names of one tensor.
  std::map<std::vector<Place>, std::shared_ptr<const StoredStorage>> combined;
  std::vector<std::pair<NodeId, std::shared_ptr<const StoredStorage>>> fresh;
  for (const auto& [name, id] : parameters) {
    const StoredTensor& tensor = *document.node(id).tensor;
    const auto first_parts = parts_of(tensor.dtype, name);
    std::vector<StoredTensor> all{tensor};
    std::vector<Parts> parts(first_parts ? 1 : 0, first_parts.value_or(Parts{}));
    std::vector<Place> places{place_of(tensor)};
    for (size_t i = 0; i < others.size(); ++i) {
      const auto found = others[i].find(name);
      check(found != others[i].end(), "{}: '{}' is not in it", files[i + 1].path, printable(name));
      const auto other_parts = parts_of(found->second.dtype, name);
      const size_t count = first_parts ? first_parts->count : 0, other_count = other_parts ? other_parts->count : 0;
      check(found->second.sizes == tensor.sizes && other_count == count, "{}: '{}' is {}, in {} it is {}",
            files[i + 1].path, printable(name), describe(found->second), first.path, describe(tensor));
      all.push_back(found->second);
      if (other_parts) parts.push_back(*other_parts);
      places.push_back(place_of(found->second));
    }
    if (!first_parts) {
      merged.kept.push_back(name);
      continue;
    }
    auto& storage = combined[std::move(places)];
    if (!storage) storage = std::make_shared<CombinedStorage>(std::move(all), std::move(parts), weights);
    fresh.emplace_back(id, storage);
  }
  for (const auto& [id, storage] : fresh) {
    StoredTensor& tensor = *document.node(id).tensor;
    tensor.storage = storage;
    tensor.offset = 0;
    tensor.strides = dense_strides(tensor.sizes, MemoryFormat::Contiguous);
  }
  merged.file = std::move(first);
  return merged;
}

std::vector<double> moving_average_weights(size_t count, double decay) {
  std::vector<double> out(count, 0);
  double factor = 1;
  for (size_t i = count; i > 0; --i) {
    out[i - 1] = i == 1 ? factor : (1 - decay) * factor;
    factor *= decay;
  }
  return out;
}

std::vector<double> task_weights(size_t tasks, double scale) {
  std::vector<double> out(tasks + 1, scale);
  out[0] = 1 - scale * static_cast<double>(tasks);
  return out;
}

}  // namespace bevgrad
