// The camera neck: a feature pyramid (Lin et al., 2017) with mmdetection's names, of which the finest level is used.
#pragma once
#include <cstdint>
#include <vector>

#include "models/blocks.h"
#include "models/network_parts.h"
#include "nn/sequential.h"
#include "tensor/random.h"

namespace bevgrad {

/// `lateral_convs.{i}.conv` 1x1 per input, top-down nearest enlargement and sum, `fpn_convs.0.conv` 3x3 on the finest;
/// both with bias, without norm.
class Fpn : public Neck {
 public:
  Fpn(const std::vector<int64_t>& in_channels, int64_t out_channels, Generator& generator);
  /// inputs finest first, each half the size of the one before -> [N,out_channels,h,w] of the finest.
  Tensor forward(const std::vector<Tensor>& inputs) override;

 private:
  // mmcv's ConvModule without norm and activation.
  struct ConvModule : Module {
    ConvModule(int64_t in_channels, int64_t out_channels, const ConvSpec& spec)
        : conv(in_channels, out_channels, spec) {
      register_module("conv", conv);
    }
    Tensor forward(const Tensor& x) {
      return module_call(*this, [&] { return conv.forward(x); });
    }
    Conv2d conv;
  };

  ModuleList<ConvModule> lateral_convs_;
  ModuleList<ConvModule> fpn_convs_;
};

}  // namespace bevgrad
