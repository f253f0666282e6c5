// Muon (Jordan et al., 2024): momentum whose matrices are brought near to orthogonal ones before the step, as PyTorch's
// torch.optim.Muon does, in float32.
#pragma once
#include "optim/adamw.h"

namespace bevgrad {

struct MuonOptions {
  double momentum = 0.95;
  bool nesterov = true;
  double weight_decay = 0.1;  ///< decoupled
  int ns_steps = 5;           ///< of the Newton-Schulz iteration
  double eps = 1e-7;          ///< least norm that the iteration divides by
  /// Whether steps are scaled to the size of AdamW's (0.2 sqrt(larger side), Liu et al. 2025), so that its learning
  /// rate and decay fit, or by sqrt(max(1, rows / columns)).
  bool match_adamw = true;
  /// For what is no matrix: parameters of one dimension or none. Kernels count as matrices [out, the rest].
  AdamWOptions adamw = {};
};

/// State: "momentum_buffer" of matrices, "exp_avg" and "exp_avg_sq" of other parameters, "step".
class Muon : public Optimizer {
 public:
  explicit Muon(MuonOptions options = {});
  Hyperparameters hyperparameters() const override;

 private:
  void update(const OptimizedParameter& parameter, const Tensor& gradient, double lr, ParameterState& state) override;
  std::optional<Shape> state_sizes(const OptimizedParameter& parameter, size_t tensor) const override;

  MuonOptions options_;
};

}  // namespace bevgrad
