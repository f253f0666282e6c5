// Averages of a model's weights: steadier than the weights themselves, and often better for it. Exponential and moving
// (Polyak and Juditsky, 1992; as timm's ModelEmaV2), or stochastic weight averaging, in which every update counts the
// same (Izmailov et al., UAI 2018; as torch.optim.swa_utils.AveragedModel).
#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "formats/state_dict.h"

namespace bevgrad {

class WeightAverage {
 public:
  /// `decay` in 0..1. Early on less is kept, min(decay, (1 + n) / (10 + n)) after n updates, so that the beginning is
  /// soon forgotten.
  explicit WeightAverage(double decay) : decay_(decay) {}
  /// The mean of all updates, which come once an epoch, say. Statistics of norms are averaged too, which is not what
  /// the averaged weights give: measure them anew (nn/update_batch_norm.h).
  static WeightAverage stochastic() { return {}; }

  /// After a step: moves towards `state`, parameters and buffers alike. Integers are copied. A tensor that has not
  /// changed since the average was made keeps its bits. The first call takes all as it is.
  void update(const StateDict& state);
  /// Exchanges the average with the tensors of `state`; a second call undoes it.
  void swap(const StateDict& state);

  bool empty() const { return values_.empty(); }
  const StateDict& values() const { return values_; }
  int64_t updates() const { return updates_; }
  /// Goes on from what values() and updates() gave; the tensors are taken to the devices of `state`. Throws Error
  /// naming `source` and the first tensor that does not fit.
  void load(const StateDict& values, int64_t updates, const StateDict& state, const std::string& source);

 private:
  WeightAverage() = default;

  std::optional<double> decay_;  // none: the mean
  int64_t updates_ = 0;
  StateDict values_;
};

}  // namespace bevgrad
