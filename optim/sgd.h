// Stochastic gradient descent with momentum, step by step as PyTorch's torch.optim.SGD computes it.
#pragma once
#include "optim/optimizer.h"

namespace bevgrad {

struct SgdOptions {
  double momentum = 0;  ///< 0: no state is kept
  double dampening = 0;
  double weight_decay = 0;  ///< added to the gradient, as L2 regularisation
  bool nesterov = false;    ///< needs momentum, without dampening
};

/// State: "momentum_buffer", with momentum.
class Sgd : public Optimizer {
 public:
  /// Throws UsageError for Nesterov's momentum without momentum or with dampening.
  explicit Sgd(SgdOptions options);
  Hyperparameters hyperparameters() const override;

 private:
  void update(const OptimizedParameter& parameter, const Tensor& gradient, double lr, ParameterState& state) override;

  SgdOptions options_;
};

}  // namespace bevgrad
