#include "formats/convert/merge.h"

#include <map>
#include <memory>
#include <mutex>
#include <tuple>
#include <unordered_map>

#include "base/error.h"
#include "base/text.h"
#include "convert/internal/converted_tensor.h"
#include "internal/state_dict_node.h"

namespace bevgrad {

namespace {

constexpr size_t kMergedPieceElements = 1 << 17;

bool is_combined(StoredDType dtype) {
  switch (dtype) {
    case StoredDType::Float64:
    case StoredDType::Float32:
    case StoredDType::Float16:
    case StoredDType::BFloat16:
      return true;
    default:
      return false;
  }
}

/// The values of a combination of tensors in logical order; reads that come in order are streamed.
class CombinedStorage : public StoredStorage {
 public:
  CombinedStorage(std::vector<StoredTensor> tensors, std::vector<double> weights)
      : StoredStorage(tensors[0].storage->name(), tensors[0].nbytes()),
        tensors_(std::move(tensors)),
        weights_(std::move(weights)) {}

 private:
  void read_checked(uint64_t offset, std::span<std::byte> out) const override {
    const std::scoped_lock lock(mutex_);
    const StoredDType dtype = tensors_[0].dtype;
    const size_t step = item_size(dtype);
    check(offset % step == 0 && out.size() % step == 0, "{}: a part of a value is read", name());
    const uint64_t element = offset / step;
    if (readers_.empty() || element < position_) restart();
    while (position_ < element) sum(std::min<uint64_t>(kMergedPieceElements, element - position_));
    while (!out.empty()) {
      const size_t count = sum(std::min<uint64_t>(kMergedPieceElements, out.size() / step));
      for (size_t i = 0; i < count; ++i) from_double(dtype, sums_[i], &out[i * step]);
      out = out.subspan(count * step);
    }
    if (readers_[0]->remaining() == 0) readers_.clear();
  }

  void restart() const {
    readers_.clear();
    for (const StoredTensor& tensor : tensors_) readers_.push_back(std::make_unique<ValueReader>(tensor));
    position_ = 0;
  }

  size_t sum(uint64_t count) const {
    sums_.assign(count, 0);
    for (size_t t = 0; t < tensors_.size(); ++t) {
      const size_t step = item_size(tensors_[t].dtype);
      piece_.resize(count * step);
      readers_[t]->read(piece_);
      for (size_t i = 0; i < count; ++i) sums_[i] += weights_[t] * to_double(tensors_[t].dtype, &piece_[i * step]);
    }
    position_ += count;
    return count;
  }

  std::vector<StoredTensor> tensors_;
  std::vector<double> weights_;
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<ValueReader>> readers_;
  mutable std::vector<std::byte> piece_;
  mutable std::vector<double> sums_;
  mutable uint64_t position_ = 0;
};

}  // namespace

CheckpointFile merge_checkpoints(std::vector<CheckpointFile> files, const std::vector<double>& weights) {
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
  // Names of one tensor stay names of one tensor.
  std::map<std::tuple<const void*, int64_t, Shape, Shape>, std::shared_ptr<const StoredStorage>> combined;
  std::vector<std::pair<NodeId, std::shared_ptr<const StoredStorage>>> fresh;
  for (const auto& [name, id] : parameters) {
    const StoredTensor& tensor = *document.node(id).tensor;
    std::vector<StoredTensor> all{tensor};
    for (size_t i = 0; i < others.size(); ++i) {
      const auto found = others[i].find(name);
      check(found != others[i].end(), "{}: '{}' is not in it", files[i + 1].path, printable(name));
      check(found->second.sizes == tensor.sizes && is_combined(found->second.dtype) == is_combined(tensor.dtype),
            "{}: '{}' is {}, in {} it is {}", files[i + 1].path, printable(name), describe(found->second), first.path,
            describe(tensor));
      all.push_back(found->second);
    }
    if (!is_combined(tensor.dtype)) continue;
    auto& storage = combined[{identity(*tensor.storage), tensor.offset, tensor.sizes, tensor.strides}];
    if (!storage) storage = std::make_shared<CombinedStorage>(std::move(all), weights);
    fresh.emplace_back(id, storage);
  }
  for (const auto& [id, storage] : fresh) {
    StoredTensor& tensor = *document.node(id).tensor;
    tensor.storage = storage;
    tensor.offset = 0;
    tensor.strides = dense_strides(tensor.sizes, MemoryFormat::Contiguous);
  }
  return std::move(first);
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
