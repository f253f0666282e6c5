// Adam (Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015), step by step as PyTorch's
// torch.optim.Adam computes it. Weight decay is added to the gradient; AdamW decouples it.
#pragma once
#include "optim/optimizer.h"

namespace bevgrad {

struct AdamOptions {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0;
};

/// State: "exp_avg", "exp_avg_sq" and "step".
class Adam : public Optimizer {
 public:
  explicit Adam(AdamOptions options = {});
  Hyperparameters hyperparameters() const override;

 private:
  void update(const OptimizedParameter& parameter, const Tensor& gradient, double lr, ParameterState& state) override;

  AdamOptions options_;
};

}  // namespace bevgrad
