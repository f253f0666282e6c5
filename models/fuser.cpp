#include "models/fuser.h"

#include "autograd/functions/shape.h"
#include "nn/init.h"

namespace bevgrad {

ConvFuser::ConvFuser(int64_t in_channels, int64_t out_channels, Generator& generator)
    : conv_(in_channels, out_channels, {.kernel = 3, .padding = 1, .bias = false}), norm_(out_channels) {
  register_module("0", conv_);
  register_module("1", norm_);
  init::reset_parameters_resnet(*this, generator);
}

Tensor ConvFuser::forward(const std::vector<Tensor>& features) {
  return module_call(*this, [&] {
    const Tensor x = features.size() == 1 ? features.front() : cat(features, 1);
    return conv_bn_relu(conv_, norm_, x);
  });
}

}  // namespace bevgrad
