// RegNet (Radosavovic et al., "Designing network design spaces", 2020) with torchvision's names (stem, trunk_output),
// without `fc`.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "models/basic_block.h"
#include "models/network_parts.h"
#include "models/squeeze_excitation.h"
#include "nn/sequential.h"

namespace bevgrad {

struct RegNetOptions {
  std::vector<int64_t> depths = {1, 3, 6, 6};         ///< blocks of layers 1..4; this is RegNetY-400MF
  std::vector<int64_t> widths = {48, 104, 208, 440};  ///< their channels, multiples of group_width
  int64_t group_width = 8;                            ///< channels of a group of the 3x3 convolutions
  double se_ratio = 0.25;             ///< squeezed channels as a share of a block's input; 0: X models, which have none
  std::vector<int> taps = {2, 3, 4};  ///< layers whose outputs are returned, rising
};

/// relu(f(x) + proj(x)): in f `a` 1x1, `b` 3x3 in groups with the stride, `se`, `c` 1x1, all of one width; `proj` where
/// the stride or the channels change, x itself otherwise.
class RegNetBlock : public Module {
 public:
  RegNetBlock(int64_t in_channels, int64_t channels, int stride, const RegNetOptions& options);
  Tensor forward(const Tensor& x);

 private:
  struct Transform : Module {
    Transform(int64_t in_channels, int64_t channels, int stride, const RegNetOptions& options);
    /// The sum with the shortcut and its ReLU are of the last convolution's pass.
    Tensor forward(const Tensor& x, const Tensor& shortcut);

    ConvBnRelu a, b;
    std::unique_ptr<SqueezeExcitation> se;
    ConvBnRelu c;
  };

  std::unique_ptr<ResidualShortcut> proj_;
  Transform f_;
};

class RegNet : public Backbone {
 public:
  RegNet(const RegNetOptions& options, Generator& generator);
  /// images [N,3,H,W] -> the tapped layers' outputs, of strides 4, 8, 16, 32 for layers 1..4. Layers past the last tap
  /// have parameters (published weights hold them) but are not computed.
  std::vector<Tensor> forward(const Tensor& images) override;
  std::vector<int64_t> out_channels() const override;
  const RegNetOptions& options() const { return options_; }
  /// Of a block, from 0, of a layer: "block1.block1-0".
  static std::string block_name(int layer, int64_t block);

 private:
  struct Layer : ModuleDict<RegNetBlock> {
    Tensor forward(Tensor x);
  };

  RegNetOptions options_;
  ConvBnRelu stem_;
  ModuleDict<Layer> trunk_output_;
};

}  // namespace bevgrad
