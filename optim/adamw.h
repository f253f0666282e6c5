// AdamW (Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019), step by step as PyTorch's
// torch.optim.AdamW computes it.
#pragma once
#include "optim/optimizer.h"

namespace bevgrad {

struct AdamWOptions {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0.01;
};

/// State: "exp_avg", "exp_avg_sq" and "step".
class AdamW : public Optimizer {
 public:
  explicit AdamW(AdamWOptions options = {});
  Hyperparameters hyperparameters() const override;

 private:
  void update(const OptimizedParameter& parameter, const Tensor& gradient, double lr, ParameterState& state) override;

  AdamWOptions options_;
};

}  // namespace bevgrad
