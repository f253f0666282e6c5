// ResNet's residual block (He et al., "Deep residual learning for image recognition", 2016), with torchvision's names.
#pragma once
#include <memory>

#include "models/blocks.h"

namespace bevgrad {

/// `0` 1x1 convolution and `1` its norm: a shortcut where the stride or the channels change.
class ResidualShortcut : public Module {
 public:
  ResidualShortcut(int64_t in_channels, int64_t channels, int stride);
  Tensor forward(const Tensor& x);

 private:
  Conv2d conv_;
  BatchNorm norm_;
};

/// relu(bn2(conv2(relu(bn1(conv1(x))))) + shortcut(x)). The shortcut is `downsample` where the stride or the
/// channels change, x itself otherwise. `only_convolved`: NormFusion's, of what the block gives.
class BasicBlock : public Module {
 public:
  BasicBlock(int64_t in_channels, int64_t channels, int stride = 1, bool only_convolved = false);
  /// [N,in,H,W] -> [N,channels,H/stride,W/stride], sizes rounded up.
  Tensor forward(const Tensor& x);

 private:
  Conv2d conv1_;
  BatchNorm bn1_;
  Conv2d conv2_;
  BatchNorm bn2_;
  std::unique_ptr<ResidualShortcut> downsample_;
  bool only_convolved_;
};

}  // namespace bevgrad
