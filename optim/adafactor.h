// Adafactor (Shazeer and Stern, "Adafactor: adaptive learning rates with sublinear memory cost", ICML 2018), step by
// step as PyTorch's torch.optim.Adafactor computes it: of a matrix's squared gradients only the means of rows and
// columns are kept.
#pragma once
#include "optim/optimizer.h"

namespace bevgrad {

struct AdafactorOptions {
  double beta2_decay = -0.8;  ///< step t renews t^beta2_decay of the means
  double eps1 = 0;            ///< least mean; 0: float32's smallest step at 1
  double eps2 = 1e-3;         ///< least size of a parameter that steps are relative to
  double d = 1;               ///< steps of a larger root mean square are cut to it
  double weight_decay = 0;    ///< decoupled
};

/// State: "row_var" and "col_var" of parameters with two dimensions and more, "variance" of others, "step".
class Adafactor : public Optimizer {
 public:
  explicit Adafactor(AdafactorOptions options = {});
  Hyperparameters hyperparameters() const override;

 private:
  void update(const OptimizedParameter& parameter, const Tensor& gradient, double lr, ParameterState& state) override;
  std::optional<Shape> state_sizes(const OptimizedParameter& parameter, size_t tensor) const override;

  AdafactorOptions options_;
};

}  // namespace bevgrad
