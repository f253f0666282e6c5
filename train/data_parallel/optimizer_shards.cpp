#include "train/data_parallel/optimizer_shards.h"

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>
#include <utility>

#include "autograd/autograd.h"
#include "base/error.h"
#include "tensor/ops.h"

namespace bevgrad {
namespace {

using nlohmann::json;

/// The elements of a dense tensor in the order of its memory.
Tensor flat(const Tensor& tensor) {
  return Tensor(tensor.storage(), tensor.offset(), {tensor.numel()}, {1}, tensor.dtype());
}

Tensor part_of(const Tensor& flat, int64_t start, int64_t length) {
  return Tensor(flat.storage(), flat.offset() + start, {length}, {1}, flat.dtype());
}

}  // namespace

OptimizerShards::OptimizerShards(ProcessGroup& group, int64_t piece_bytes) : group_(group), piece_bytes_(piece_bytes) {}

std::vector<bool> OptimizerShards::share(const std::vector<OptimizedParameter>& parameters) {
  const auto size = static_cast<size_t>(group_.size());
  std::map<std::string, int> before = std::exchange(owners_, {});
  std::vector<int64_t> load(size, 0);
  std::vector<const OptimizedParameter*> without_owner;
  for (const OptimizedParameter& parameter : parameters) {
    const auto found = before.find(parameter.name);
    if (found == before.end()) {
      without_owner.push_back(&parameter);
      continue;
    }
    owners_.insert(*found);
    load[static_cast<size_t>(found->second)] += parameter.value.numel();
  }
  // The largest first, each to the rank that has least: no rank has more than a third above the mean.
  std::ranges::stable_sort(without_owner, std::greater(),
                           [](const auto* parameter) { return parameter->value.numel(); });
  for (const OptimizedParameter* parameter : without_owner) {
    const auto least = std::ranges::min_element(load);
    owners_[parameter->name] = static_cast<int>(least - load.begin());
    *least += parameter->value.numel();
  }
  parameters_ = parameters;
  segments_.assign(size, {});
  lengths_.assign(size, 0);
  std::vector<bool> own;
  for (const OptimizedParameter& parameter : parameters_) {
    const int owner = owners_.at(parameter.name);
    const auto at = static_cast<size_t>(owner);
    segments_[at].push_back({flat(parameter.value), lengths_[at]});
    lengths_[at] += parameter.value.numel();
    own.push_back(owner == group_.rank());
  }
  return own;
}

/// Calls copy(part of a parameter, where it lies behind `start`) for what `length` elements from `start` hold.
template <class Copy>
void OptimizerShards::for_each_in(int owner, int64_t start, int64_t length, Copy copy) const {
  for (const Segment& segment : segments_[static_cast<size_t>(owner)]) {
    const int64_t from = std::max(start, segment.start);
    const int64_t to = std::min(start + length, segment.start + segment.values.numel());
    if (from < to) copy(part_of(segment.values, from - segment.start, to - from), from - start);
  }
}

void OptimizerShards::exchange_values() {
  const int64_t longest = lengths_.empty() ? 0 : std::ranges::max(lengths_);
  if (longest == 0) return;
  const NoGradGuard no_grad;
  const auto float_bytes = static_cast<int64_t>(sizeof(float));
  const int64_t length = std::min(longest, std::max<int64_t>(1, piece_bytes_ / float_bytes / group_.size()));
  const TensorOptions options{.device = parameters_.front().value.device()};
  const Tensor mine = zeros({length}, options), all = zeros({length * group_.size()}, options);
  for (int64_t start = 0; start < longest; start += length) {
    for_each_in(group_.rank(), start, length,
                [&](const Tensor& values, int64_t at) { ops::copy_(part_of(mine, at, values.numel()), values); });
    group_.all_gather(all, mine)->wait();
    for (int owner = 0; owner < group_.size(); ++owner) {
      if (owner == group_.rank()) continue;
      for_each_in(owner, start, length, [&](const Tensor& values, int64_t at) {
        ops::copy_(values, part_of(all, owner * length + at, values.numel()));
      });
    }
  }
  for (const OptimizedParameter& parameter : parameters_)
    if (owners_.at(parameter.name) != group_.rank()) ++parameter.value.storage()->version;
}

std::map<std::string, StateDict> OptimizerShards::gather(std::map<std::string, StateDict> own) {
  // A scalar (the count of steps) goes as text, a tensor as a message of its own.
  json list = json::array();
  std::vector<Tensor> tensors;
  for (const auto& [kind, entries] : own) {
    for (const auto& [name, tensor] : entries) {
      if (tensor.dim() == 0) {
        list.push_back({kind, name, tensor.item()});
      } else {
        list.push_back({kind, name});
        tensors.push_back(flat(tensor));
      }
    }
  }
  const std::vector<std::string> lists = gather_texts(group_, list.dump());
  if (group_.rank() != 0) {
    for (const Tensor& tensor : tensors) group_.send(tensor, 0)->wait();
    return own;
  }
  std::map<std::string, std::map<std::string, Tensor>> whole;
  for (const auto& [kind, entries] : own)
    for (const auto& [name, tensor] : entries) whole[kind][name] = tensor;
  std::map<std::string, Tensor> values;
  for (const OptimizedParameter& parameter : parameters_) values[parameter.name] = parameter.value;
  for (int rank = 1; rank < group_.size(); ++rank) {
    for (const json& entry : json::parse(lists[static_cast<size_t>(rank)])) {
      const std::string kind = entry[0], name = entry[1];
      Tensor& target = whole[kind][name];
      if (entry.size() > 2) {
        target = scalar(entry[2].get<double>());
        continue;
      }
      target = empty_like(detach(values.at(name)));
      group_.receive(flat(target), rank)->wait();
    }
  }
  // In the order of the parameters, as an optimizer that shares nothing has them.
  for (auto& [kind, entries] : own) {
    entries.clear();
    const auto& found = whole[kind];
    for (const OptimizedParameter& parameter : parameters_)
      if (const auto at = found.find(parameter.name); at != found.end()) entries.emplace_back(at->first, at->second);
  }
  return own;
}

}  // namespace bevgrad
