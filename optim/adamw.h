// AdamW (Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019), step by step as PyTorch's
// torch.optim.AdamW computes it.
#pragma once
#include <memory>

#include "optim/optimizer.h"

namespace bevgrad {

struct AdamWOptions {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0.01;
};

class TensorList;
struct AdamStep;

/// State: "exp_avg", "exp_avg_sq" and "step".
class AdamW : public Optimizer {
 public:
  explicit AdamW(AdamWOptions options = {});
  ~AdamW() override;
  Hyperparameters hyperparameters() const override;

 private:
  void update(const OptimizedParameter& parameter, const Tensor& gradient, double lr, ParameterState& state) override;
  bool update_at_once(std::span<const Update> updates, double gradient_factor) override;
  AdamStep step_of(const OptimizedParameter& parameter, double lr, int64_t step) const;

  AdamWOptions options_;
  std::unique_ptr<TensorList> list_;
};

}  // namespace bevgrad
