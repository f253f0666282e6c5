// The residual block of ResNet-50 and deeper, with torchvision's names.
#pragma once
#include <memory>

#include "models/basic_block.h"

namespace bevgrad {

/// `conv1` 1x1 to `channels`, `conv2` 3x3 with the stride (torchvision's variant 1.5), `conv3` 1x1 to four times as
/// many, each with its norm `bn1` to `bn3`; the shortcut and `only_convolved` as BasicBlock's.
class Bottleneck : public Module {
 public:
  /// Output channels as a multiple of `channels`.
  static constexpr int64_t kExpansion = 4;

  Bottleneck(int64_t in_channels, int64_t channels, int stride = 1, bool only_convolved = false);
  /// [N,in,H,W] -> [N,4*channels,H/stride,W/stride], sizes rounded up.
  Tensor forward(const Tensor& x);

 private:
  Conv2d conv1_;
  BatchNorm bn1_;
  Conv2d conv2_;
  BatchNorm bn2_;
  Conv2d conv3_;
  BatchNorm bn3_;
  std::unique_ptr<ResidualShortcut> downsample_;
  bool only_convolved_;
};

}  // namespace bevgrad
