#include "models/basic_block.h"

namespace bevgrad {

BasicBlock::Downsample::Downsample(int64_t in_channels, int64_t channels, int stride)
    : conv(in_channels, channels, {.kernel = 1, .stride = stride, .bias = false}), norm(channels) {
  register_module("0", conv);
  register_module("1", norm);
}

BasicBlock::BasicBlock(int64_t in_channels, int64_t channels, int stride)
    : conv1_(in_channels, channels, {.kernel = 3, .stride = stride, .padding = 1, .bias = false}),
      bn1_(channels),
      conv2_(channels, channels, {.kernel = 3, .padding = 1, .bias = false}),
      bn2_(channels) {
  register_module("conv1", conv1_);
  register_module("bn1", bn1_);
  register_module("conv2", conv2_);
  register_module("bn2", bn2_);
  if (stride == 1 && in_channels == channels) return;
  downsample_ = std::make_unique<Downsample>(in_channels, channels, stride);
  register_module("downsample", *downsample_);
}

Tensor BasicBlock::forward(const Tensor& x) {
  const ModuleScope scope(*this);
  Tensor shortcut = x;
  if (downsample_) shortcut = tapped(*downsample_, run(downsample_->conv, downsample_->norm, x, {.relu = false}));
  const Tensor y = run(conv1_, bn1_, x);
  return tapped(*this, run(conv2_, bn2_, y, {.residual = shortcut, .relu = true}));
}

}  // namespace bevgrad
