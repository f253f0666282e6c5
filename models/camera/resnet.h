// The image backbone: ResNet's trunk with torchvision's names (conv1, bn1, layer1..4), without `fc`.
#pragma once
#include <cstdint>
#include <vector>

#include "models/blocks.h"
#include "models/network_parts.h"
#include "nn/sequential.h"
#include "tensor/random.h"

namespace bevgrad {

struct ResNetOptions {
  int64_t width = 64;                          ///< channels of the stem and of layer1's blocks; layers 2..4 double it
  std::vector<int64_t> blocks = {3, 4, 6, 3};  ///< of layers 1..4; this is ResNet-34, or -50 with bottlenecks
  bool bottleneck = false;            ///< Bottleneck instead of BasicBlock: four times as many channels come out
  bool stem_max_pool = true;          ///< off: every output has twice the resolution
  std::vector<int> taps = {2, 3, 4};  ///< layers whose outputs are returned, rising
};

class ResNet : public Backbone {
 public:
  ResNet(const ResNetOptions& options, Generator& generator);
  /// images [N,3,H,W] -> the tapped layers' outputs, of strides 4, 8, 16, 32 for layers 1..4. Layers past the last
  /// tap have parameters (published weights hold them) but are not computed.
  std::vector<Tensor> forward(const Tensor& images) override;
  std::vector<int64_t> out_channels() const override;

 private:
  class Layer : public Sequential<> {};

  bool is_tapped(int layer) const;
  int64_t layer_channels(int layer) const;

  ResNetOptions options_;
  Conv2d conv1_;
  BatchNorm bn1_;
  std::vector<std::unique_ptr<Layer>> layers_;
};

}  // namespace bevgrad
