#include "optim/weight_average.h"

#include <algorithm>

#include "autograd/autograd.h"
#include "base/error.h"
#include "tensor/ops.h"

namespace bevgrad {

void WeightAverage::update(const StateDict& state) {
  const NoGradGuard no_grad;
  if (values_.empty())
    for (const auto& [name, tensor] : state) values_.emplace_back(name, ops::clone(tensor));
  check(values_.size() == state.size(), "weight average: {} tensors, the model has {}", values_.size(), state.size());
  const auto n = static_cast<double>(updates_++);
  const double kept = decay_ ? std::min(*decay_, (1 + n) / (10 + n)) : n / (n + 1);
  for (size_t i = 0; i < state.size(); ++i) {
    const Tensor &average = values_[i].second, &now = state[i].second;
    // By what is missing: nothing is added where nothing has changed.
    if (is_floating_point(now.dtype()))
      ops::add_(average, ops::sub(now, average), 1 - kept);
    else
      ops::copy_(average, now);
  }
}

void WeightAverage::swap(const StateDict& state) {
  const NoGradGuard no_grad;
  check(values_.size() == state.size(), "weight average: {} tensors, the model has {}", values_.size(), state.size());
  for (size_t i = 0; i < state.size(); ++i) {
    const Tensor before = ops::clone(state[i].second);
    ops::copy_(state[i].second, values_[i].second);
    ops::copy_(values_[i].second, before);
  }
}

void WeightAverage::load(const StateDict& values, int64_t updates, const StateDict& state, const std::string& source) {
  const NoGradGuard no_grad;
  check(values.size() == state.size(), "{}: an average of {} tensors, the model has {}", source, values.size(),
        state.size());
  StateDict taken;
  for (const auto& [name, tensor] : state) {
    const auto found =
        std::find_if(values.begin(), values.end(), [&name = name](const auto& entry) { return entry.first == name; });
    check(found != values.end() && found->second.sizes() == tensor.sizes() && found->second.dtype() == tensor.dtype(),
          "{}: the average of {} is missing or does not fit {}", source, name, describe(tensor));
    Tensor average = ops::clone(tensor);
    ops::copy_(average, found->second);
    taken.emplace_back(name, average);
  }
  values_ = std::move(taken);
  updates_ = updates;
}

}  // namespace bevgrad
