// The linear layer, with PyTorch's parameter names.
#pragma once
#include "autograd/functions/linear.h"
#include "nn/init.h"
#include "nn/module.h"
#include "nn/module_call.h"

namespace bevgrad {

/// `weight` [out,in], `bias` [out] or none. Parameters start as zeros: init::reset_parameters draws them.
class Linear : public Module {
 public:
  Linear(int64_t in_features, int64_t out_features, bool with_bias = true)
      : weight(register_parameter("weight", zeros({out_features, in_features}))),
        bias(with_bias ? register_parameter("bias", zeros({out_features})) : Tensor()) {}
  Tensor forward(const Tensor& x) const {
    return module_call(*this, [&] { return linear(x, weight, bias); });
  }
  void draw_parameters(Generator& generator) override { init::kaiming_uniform(weight, bias, generator); }

  const Tensor weight;
  const Tensor bias;
};

}  // namespace bevgrad
