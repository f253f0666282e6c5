// AdamW (Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019), step by step as PyTorch's
// torch.optim.AdamW computes it.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "formats/state_dict.h"
#include "tensor/tensor.h"

namespace bevgrad {

struct AdamWOptions {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0.01;
};

/// One parameter and how it is treated.
struct OptimizedParameter {
  std::string name;
  Tensor value;  ///< float32, a leaf
  double lr_scale = 1.0;
  bool decays = true;
};

/// Parameters with their lr scale: of the longest prefix in `scales` that their name begins with, else 1. What has at
/// most one dimension (biases, weights of norms, per-channel scales) does not decay.
std::vector<OptimizedParameter> optimized_parameters(const StateDict& parameters,
                                                     const std::vector<std::pair<std::string, double>>& scales);

class AdamW {
 public:
  explicit AdamW(AdamWOptions options) : options_(options) {}

  /// From now on steps move exactly these. State of a parameter that was there before stays, state of others is
  /// dropped; a parameter that is new starts from none.
  void set_parameters(std::vector<OptimizedParameter> parameters);
  const std::vector<OptimizedParameter>& parameters() const { return parameters_; }

  /// One update with learning rate `lr` from the gradients of the parameters; one without a gradient stays as it is
  /// (and does not decay).
  void step(double lr);
  /// Forgets the gradients.
  void zero_grad();

  /// "exp_avg", "exp_avg_sq" and "step" (a float32 scalar, as PyTorch keeps it) by parameter name; parameters that
  /// never had a step are absent.
  std::map<std::string, StateDict> state() const;
  /// Takes what state() gave. Throws Error naming a parameter that is unknown, incomplete or of another shape.
  void load_state(const std::map<std::string, StateDict>& state);
  /// Bytes of the moments.
  size_t state_bytes() const;

 private:
  struct Moments {
    Tensor exp_avg;
    Tensor exp_avg_sq;
    int64_t step = 0;
  };

  AdamWOptions options_;
  std::vector<OptimizedParameter> parameters_;
  std::map<std::string, Moments> moments_;
};

/// Global L2 norm of the gradients of `parameters`; where it is above `max_norm` (> 0) they are scaled down to it.
/// Returns the norm before that. Not finite where a gradient is not.
double clip_grad_norm(const std::vector<OptimizedParameter>& parameters, double max_norm);

}  // namespace bevgrad
