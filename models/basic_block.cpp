#include "models/basic_block.h"

#include "autograd/branches.h"
#include "nn/recomputable.h"

namespace bevgrad {

ResidualShortcut::ResidualShortcut(int64_t in_channels, int64_t channels, int stride)
    : conv_(in_channels, channels, {.kernel = 1, .stride = stride, .bias = false}), norm_(channels) {
  register_module("0", conv_);
  register_module("1", norm_);
}

Tensor ResidualShortcut::forward(const Tensor& x) {
  return module_call(*this, [&] { return conv_bn_relu(conv_, norm_, x, {.only_convolved = true}); });
}

BasicBlock::BasicBlock(int64_t in_channels, int64_t channels, int stride, bool only_convolved)
    : conv1_(in_channels, channels, {.kernel = 3, .stride = stride, .padding = 1, .bias = false}),
      bn1_(channels),
      conv2_(channels, channels, {.kernel = 3, .padding = 1, .bias = false}),
      bn2_(channels),
      only_convolved_(only_convolved) {
  register_module("conv1", conv1_);
  register_module("bn1", bn1_);
  register_module("conv2", conv2_);
  register_module("bn2", bn2_);
  if (stride == 1 && in_channels == channels) return;
  downsample_ = std::make_unique<ResidualShortcut>(in_channels, channels, stride);
  register_module("downsample", *downsample_);
}

Tensor BasicBlock::forward(const Tensor& x) {
  return module_call(*this, [&] {
    return recomputable(*this, {x}, [this](const std::vector<Tensor>& in) {
      Tensor shortcut = in[0], y;
      const auto first = [&] { y = conv_bn_relu(conv1_, bn1_, in[0], {.relu = true, .only_convolved = true}); };
      if (downsample_) {
        run_branches({[&] { shortcut = downsample_->forward(in[0]); }, first});
      } else {
        first();
      }
      return conv_bn_relu(conv2_, bn2_, y, {.residual = shortcut, .relu = true, .only_convolved = only_convolved_});
    });
  });
}

}  // namespace bevgrad
