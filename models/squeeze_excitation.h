// Channels weighted by what the whole map says of them (Hu et al., "Squeeze-and-excitation networks", 2018).
#pragma once
#include "autograd/functions/pointwise.h"
#include "autograd/functions/reduce.h"
#include "nn/conv.h"
#include "nn/module_call.h"

namespace bevgrad {

/// x sigmoid(fc2(relu(fc1(mean of each channel)))), with torchvision's names; both are 1x1 convolutions with bias.
class SqueezeExcitation : public Module {
 public:
  SqueezeExcitation(int64_t channels, int64_t squeezed)
      : fc1_(channels, squeezed, {.relu = true}), fc2_(squeezed, channels) {
    register_module("fc1", fc1_);
    register_module("fc2", fc2_);
  }
  Tensor forward(const Tensor& x) {
    return module_call(*this, [&] { return mul(x, sigmoid(fc2_.forward(fc1_.forward(mean(x, {2, 3}, true))))); });
  }

 private:
  Conv2d fc1_, fc2_;
};

}  // namespace bevgrad
