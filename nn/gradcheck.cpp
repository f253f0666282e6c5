#include "nn/gradcheck.h"

namespace bevgrad {
namespace {

// The module in float64, and as it was at the end.
class InFloat64 {
 public:
  explicit InFloat64(Module& module) : module_(module) {
    for (const auto& [name, tensor] : module.state_dict()) {
      held_.emplace_back(tensor, ops::clone(detach(tensor)));
      if (is_floating_point(tensor.dtype())) dtype_ = tensor.dtype();
    }
    module.move_to(DType::Float64);
  }
  ~InFloat64() {
    const NoGradGuard no_grad;
    module_.move_to(dtype_);
    for (const auto& [tensor, values] : held_) ops::copy_(tensor, values);
  }
  InFloat64(const InFloat64&) = delete;
  InFloat64& operator=(const InFloat64&) = delete;

 private:
  Module& module_;
  DType dtype_ = DType::Float32;
  std::vector<std::pair<Tensor, Tensor>> held_;
};

}  // namespace

std::string gradcheck(const std::string& op, Module& module,
                      const std::function<Tensor(const std::vector<Tensor>&)>& forward,
                      const std::vector<Tensor>& inputs, GradcheckOptions options) {
  const InFloat64 wide(module);
  std::vector<Tensor> converted;
  for (const Tensor& input : inputs) {
    const bool floating = input.defined() && is_floating_point(input.dtype());
    converted.push_back(floating ? ops::to(detach(input), DType::Float64) : input);
    if (floating && requires_grad(input)) {
      if (converted.back().storage() == input.storage()) converted.back() = ops::clone(converted.back());
      set_requires_grad(converted.back(), true);
    }
  }
  for (const auto& entry : module.named_parameters()) options.names.push_back(entry);
  return gradcheck(op, forward, converted, options);
}

}  // namespace bevgrad
