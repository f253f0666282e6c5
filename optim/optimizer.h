// What every optimizer shares: the parameters that it steps, what it keeps of each between steps, and that state on its
// way into a checkpoint and back. An optimizer is one class below Optimizer (AdamW, SGD), in a file of its own.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "formats/state_dict.h"
#include "tensor/tensor.h"

namespace bevgrad {

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

/// A value in torch.optim's `param_groups`: a number, a flag, None or a tuple of numbers.
using Hyperparameter = std::variant<double, bool, std::monostate, std::vector<double>>;
using Hyperparameters = std::vector<std::pair<std::string, Hyperparameter>>;

class Optimizer {
 public:
  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  /// From now on steps move exactly these. State of a parameter that was there before stays, state of others is
  /// dropped; a parameter that is new starts from none.
  void set_parameters(std::vector<OptimizedParameter> parameters);
  const std::vector<OptimizedParameter>& parameters() const { return parameters_; }

  /// From now on, until the parameters change, steps move and keep state of only these of them: the others are another
  /// process's share. One flag a parameter; none: all are stepped here.
  void set_share(const std::vector<bool>& share);

  /// One update with learning rate `lr` from the gradients of the parameters; one without a gradient stays as it is
  /// (and does not decay). The gradients count times `gradient_factor` (clip_factor), and may then be multiplied by it.
  void step(double lr, double gradient_factor = 1);
  /// Forgets the gradients.
  void zero_grad();

  /// What is kept of the parameters: name of a state tensor ("exp_avg") -> (parameter name, tensor), and "step" (a
  /// float32 scalar, as PyTorch keeps it) where the optimizer counts steps. Parameters that never had a step are
  /// absent.
  std::map<std::string, StateDict> state() const;
  /// Takes what state() gave. Throws Error naming a parameter that is unknown, incomplete or of another shape.
  void load_state(const std::map<std::string, StateDict>& state);
  /// Bytes of the state tensors.
  size_t state_bytes() const;

  /// The options as the class of the same name in torch.optim keeps them in a parameter group, in its order and without
  /// `lr`: checkpoints hold them for PyTorch.
  virtual Hyperparameters hyperparameters() const = 0;

 protected:
  struct ParameterState {
    /// In the order of the constructor's `tensors`; undefined until update() defines them, float32 of state_sizes(),
    /// and of the parameter's memory format where those are its sizes.
    std::vector<Tensor> tensors;
    int64_t step = 0;  ///< updates of this parameter, this one counted
  };

  /// `name` stands in messages; `tensors` names what is kept of each parameter; `counts_steps`: whether the number of
  /// updates is a part of the state.
  Optimizer(std::string name, std::vector<std::string> tensors, bool counts_steps);

  /// Moves one parameter. The gradient is float32 and lies in memory as the parameter does. `lr` has the parameter's
  /// scale in it already.
  virtual void update(const OptimizedParameter& parameter, const Tensor& gradient, double lr,
                      ParameterState& state) = 0;

  /// Sizes of the state tensor number `tensor` of a parameter; nothing where that parameter does without it.
  virtual std::optional<Shape> state_sizes(const OptimizedParameter& parameter, size_t tensor) const;

  /// One call of update().
  struct Update {
    const OptimizedParameter* parameter;
    Tensor gradient;
    double lr;
    ParameterState* state;
  };

  /// All updates of a step in fewer launches than one each, the gradients counted times `gradient_factor`. Returns
  /// whether it did, else they are done one by one.
  virtual bool update_at_once(std::span<const Update> /*updates*/, double /*gradient_factor*/) { return false; }

 private:
  std::string name_;
  std::vector<std::string> tensor_names_;
  bool counts_steps_;
  bool steps(size_t parameter) const { return share_.empty() || share_[parameter]; }
  void drop_state_of_others();

  std::vector<OptimizedParameter> parameters_;
  std::vector<bool> share_;  // empty: all are stepped here
  std::map<std::string, ParameterState> states_;
};

}  // namespace bevgrad
