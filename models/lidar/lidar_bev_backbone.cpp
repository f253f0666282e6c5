#include "models/lidar/lidar_bev_backbone.h"

#include "autograd/branches.h"
#include "autograd/functions/shape.h"
#include "nn/init.h"
#include "nn/recomputable.h"

namespace bevgrad {

LidarBevBackbone::Block::Block(int64_t in_channels, int64_t channels, int64_t layers, bool only_convolved)
    : only_convolved_(only_convolved) {
  for (int64_t i = 0; i <= layers; ++i) {
    const ConvSpec spec{.kernel = 3, .stride = i == 0 ? 2 : 1, .padding = 1, .bias = false};
    convs_.push_back(std::make_unique<Conv2d>(i == 0 ? in_channels : channels, channels, spec));
    norms_.push_back(std::make_unique<BatchNorm>(channels, kLidarNorm));
    register_module(std::to_string(3 * i), *convs_.back());
    register_module(std::to_string(3 * i + 1), *norms_.back());
  }
}

Tensor LidarBevBackbone::Block::forward(const Tensor& x) {
  return module_call(*this, [&] {
    return recomputable(*this, {x}, [this](const std::vector<Tensor>& in) {
      Tensor y = in[0];
      for (size_t i = 0; i < convs_.size(); ++i)
        y = conv_bn_relu(*convs_[i], *norms_[i], y,
                         {.relu = true, .only_convolved = only_convolved_ || i + 1 < convs_.size()});
      return y;
    });
  });
}

LidarBevBackbone::Deblocks::Deblocks(const LidarOptions& options)
    : down(options.channels[0], options.neck_channels, {.kernel = 2, .stride = 2}, kSequentialNames, kLidarNorm),
      same(options.channels[1], options.neck_channels, {.kernel = 1}, kSequentialNames, kLidarNorm),
      up(options.channels[2], options.neck_channels, {.kernel = 2, .stride = 2}, kSequentialNames, kLidarNorm) {
  register_module("0", down);
  register_module("1", same);
  register_module("2", up);
}

LidarBevBackbone::LidarBevBackbone(const LidarOptions& options, Generator& generator) : deblocks_(options) {
  int64_t in_channels = options.vfe_channels;
  for (size_t i = 0; i < 3; ++i) {
    // The coarsest map is read by a transposed convolution.
    blocks_.emplace(in_channels, options.channels[i], options.layers[i], i < 2);
    in_channels = options.channels[i];
  }
  register_module("blocks", blocks_);
  register_module("deblocks", deblocks_);
  init::reset_parameters_resnet(*this, generator);
}

Tensor LidarBevBackbone::forward(const Tensor& x) {
  return module_call(*this, [&] {
    check(x.dim() == 4 && x.size(2) % 8 == 0 && x.size(3) % 8 == 0,
          "lidar_bev_backbone: input {}, expected [N,C,H,W] with H and W multiples of 8", to_string(x.sizes()));
    const Tensor fine = blocks_[0].forward(x), middle = blocks_[1].forward(fine);
    std::vector<Tensor> parts(3);
    run_branches({[&] { parts[0] = deblocks_.down.forward(fine); }, [&] { parts[1] = deblocks_.same.forward(middle); },
                  [&] { parts[2] = deblocks_.up.forward(blocks_[2].forward(middle)); }});
    return cat(parts, 1);
  });
}

}  // namespace bevgrad
