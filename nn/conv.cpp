#include "nn/conv.h"

#include "nn/module_scope.h"

namespace bevgrad {

Conv2d::Conv2d(int64_t in_channels, int64_t out_channels, const ConvSpec& spec)
    : spec_(spec),
      weight(register_parameter("weight", zeros({out_channels, in_channels, spec.kernel, spec.kernel}))),
      bias(spec.bias ? register_parameter("bias", zeros({out_channels})) : Tensor()) {}

Tensor Conv2d::forward(const Tensor& x) const {
  const ModuleScope scope(*this);
  return conv2d(x, weight, bias, {spec_.stride, spec_.padding, spec_.relu});
}

ConvTranspose2d::ConvTranspose2d(int64_t in_channels, int64_t out_channels, const ConvSpec& spec)
    : spec_(spec),
      weight(register_parameter("weight", zeros({in_channels, out_channels, spec.kernel, spec.kernel}))),
      bias(spec.bias ? register_parameter("bias", zeros({out_channels})) : Tensor()) {
  check(!spec.relu, "ConvTranspose2d: relu is not part of it");
}

Tensor ConvTranspose2d::forward(const Tensor& x) const {
  const ModuleScope scope(*this);
  return conv_transpose2d(x, weight, bias, {spec_.stride, spec_.padding});
}

}  // namespace bevgrad
