// Lion (Chen et al., "Symbolic discovery of optimization algorithms", NeurIPS 2023): steps of one size by the sign of a
// momentum. It wants a learning rate 3 to 10 times smaller than AdamW's, and a weight decay as much larger.
#pragma once
#include "optim/optimizer.h"

namespace bevgrad {

struct LionOptions {
  double beta1 = 0.9;       ///< the momentum's share in the direction
  double beta2 = 0.99;      ///< what the momentum keeps a step
  double weight_decay = 0;  ///< decoupled, as AdamW's
};

/// State: "exp_avg".
class Lion : public Optimizer {
 public:
  explicit Lion(LionOptions options = {});
  Hyperparameters hyperparameters() const override;

 private:
  void update(const OptimizedParameter& parameter, const Tensor& gradient, double lr, ParameterState& state) override;

  LionOptions options_;
};

}  // namespace bevgrad
