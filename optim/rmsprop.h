// RMSprop (Hinton's lecture 6e, 2012; centred: Graves, 2013), step by step as PyTorch's torch.optim.RMSprop computes
// it.
#pragma once
#include "optim/optimizer.h"

namespace bevgrad {

struct RmsPropOptions {
  double alpha = 0.99;  ///< what the mean of squares keeps a step
  double eps = 1e-8;
  double weight_decay = 0;  ///< added to the gradient
  double momentum = 0;
  bool centered = false;  ///< divides by the deviation instead of the root of the mean square
};

/// State: "square_avg", "step", with momentum "momentum_buffer", centred "grad_avg".
class RmsProp : public Optimizer {
 public:
  explicit RmsProp(RmsPropOptions options = {});
  Hyperparameters hyperparameters() const override;

 private:
  void update(const OptimizedParameter& parameter, const Tensor& gradient, double lr, ParameterState& state) override;

  RmsPropOptions options_;
};

}  // namespace bevgrad
