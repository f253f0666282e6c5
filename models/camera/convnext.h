// ConvNeXt (Liu et al., "A ConvNet for the 2020s", 2022) with torchvision's names (features), without `classifier`.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "models/network_parts.h"
#include "nn/conv.h"
#include "nn/layer_norm.h"
#include "nn/linear.h"
#include "nn/sequential.h"

namespace bevgrad {

struct ConvNeXtOptions {
  std::vector<int64_t> depths = {3, 3, 9, 3};         ///< blocks of layers 1..4; this is ConvNeXt-T
  std::vector<int64_t> widths = {96, 192, 384, 768};  ///< their channels
  std::vector<int> taps = {2, 3, 4};                  ///< layers whose outputs are returned, rising
};

/// x + layer_scale block(x); in block `0` 7x7 depthwise, `2` a norm over each place's channels, `3` to four times as
/// many, GELU, `5` back.
class ConvNeXtBlock : public Module {
 public:
  explicit ConvNeXtBlock(int64_t channels);
  Tensor forward(const Tensor& x);
  void draw_parameters(Generator&) override;

 private:
  struct Branch : Module {
    explicit Branch(int64_t channels);
    Tensor forward(const Tensor& x);

    Conv2d depthwise;
    LayerNorm norm;
    Linear widen, narrow;
  };

  Branch block_;
  const Tensor layer_scale_;  // [channels,1,1]
};

class ConvNeXt : public Backbone {
 public:
  static constexpr double kNormEps = 1e-6;

  ConvNeXt(const ConvNeXtOptions& options, Generator& generator);
  /// images [N,3,H,W] -> the tapped layers' outputs, of strides 4, 8, 16, 32 for layers 1..4, without a norm of their
  /// own. Layers past the last tap have parameters (published weights hold them) but are not computed.
  std::vector<Tensor> forward(const Tensor& images) override;
  std::vector<int64_t> out_channels() const override;
  const ConvNeXtOptions& options() const { return options_; }

 private:
  // The first norms behind its convolution, the others before it.
  struct Downsample : Module {
    Downsample(int64_t in_channels, int64_t channels);
    Tensor forward(const Tensor& x);

    bool is_stem;
    Conv2d conv;
    LayerNorm norm;
  };
  // 0, 2, 4, 6 are the former, 1, 3, 5, 7 the latter.
  struct Features : Module {
    explicit Features(const ConvNeXtOptions& options);

    std::vector<std::unique_ptr<Downsample>> downsamples;
    std::vector<std::unique_ptr<Sequential<ConvNeXtBlock>>> layers;
  };

  ConvNeXtOptions options_;
  Features features_;
};

}  // namespace bevgrad
