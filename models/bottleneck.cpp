#include "models/bottleneck.h"

#include "autograd/branches.h"
#include "nn/module_call.h"
#include "nn/recomputable.h"

namespace bevgrad {

Bottleneck::Bottleneck(int64_t in_channels, int64_t channels, int stride, bool only_convolved)
    : conv1_(in_channels, channels, {.kernel = 1, .bias = false}),
      bn1_(channels),
      conv2_(channels, channels, {.kernel = 3, .stride = stride, .padding = 1, .bias = false}),
      bn2_(channels),
      conv3_(channels, kExpansion * channels, {.kernel = 1, .bias = false}),
      bn3_(kExpansion * channels),
      only_convolved_(only_convolved) {
  register_module("conv1", conv1_);
  register_module("bn1", bn1_);
  register_module("conv2", conv2_);
  register_module("bn2", bn2_);
  register_module("conv3", conv3_);
  register_module("bn3", bn3_);
  if (stride == 1 && in_channels == kExpansion * channels) return;
  downsample_ = std::make_unique<ResidualShortcut>(in_channels, kExpansion * channels, stride);
  register_module("downsample", *downsample_);
}

Tensor Bottleneck::forward(const Tensor& x) {
  return module_call(*this, [&] {
    return recomputable(*this, {x}, [this](const std::vector<Tensor>& in) {
      Tensor shortcut = in[0], y;
      const NormFusion inside = {.relu = true, .only_convolved = true};
      const auto narrow = [&] { y = conv_bn_relu(conv2_, bn2_, conv_bn_relu(conv1_, bn1_, in[0], inside), inside); };
      if (downsample_) {
        run_branches({[&] { shortcut = downsample_->forward(in[0]); }, narrow});
      } else {
        narrow();
      }
      return conv_bn_relu(conv3_, bn3_, y, {.residual = shortcut, .relu = true, .only_convolved = only_convolved_});
    });
  });
}

}  // namespace bevgrad
