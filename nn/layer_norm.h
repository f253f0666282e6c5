// Normalisation layers that look at one sample at a time, with PyTorch's parameter names.
#pragma once
#include "autograd/functions/layer_norm.h"
#include "nn/module.h"
#include "nn/module_scope.h"

namespace bevgrad {

/// `weight` (ones) and `bias` (zeros) of `normalized_shape`: the last dimensions of the input.
class LayerNorm : public Module {
 public:
  explicit LayerNorm(const Shape& normalized_shape, double eps = 1e-5)
      : weight(register_parameter("weight", ones(normalized_shape))),
        bias(register_parameter("bias", zeros(normalized_shape))),
        eps_(eps) {}
  Tensor forward(const Tensor& x) const {
    const ModuleScope scope(*this);
    return layer_norm(x, weight.sizes(), weight, bias, eps_);
  }

  const Tensor weight, bias;

 private:
  double eps_;
};

/// `weight` (ones) and `bias` (zeros) [channels]; x is [N,channels,..].
class GroupNorm : public Module {
 public:
  GroupNorm(int64_t groups, int64_t channels, double eps = 1e-5)
      : weight(register_parameter("weight", ones({channels}))),
        bias(register_parameter("bias", zeros({channels}))),
        groups_(groups),
        eps_(eps) {
    check(groups >= 1 && channels % groups == 0, "GroupNorm: {} channels are no multiple of {} groups", channels,
          groups);
  }
  Tensor forward(const Tensor& x) const {
    const ModuleScope scope(*this);
    return group_norm(x, groups_, weight, bias, eps_);
  }

  const Tensor weight, bias;

 private:
  int64_t groups_;
  double eps_;
};

}  // namespace bevgrad
