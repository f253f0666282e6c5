#include "models/network_parts.h"

#include "models/camera/fpn.h"
#include "models/camera/generalized_lss_fpn.h"
#include "models/camera/resnet.h"
#include "models/camera/view_transfer.h"
#include "models/conv_gru_fusion.h"
#include "models/vgg_block_fusion.h"

namespace bevgrad {

std::unique_ptr<Backbone> make_resnet(const NetworkOptions& options, const CameraGroupNetwork& group,
                                      Generator& generator) {
  return std::make_unique<ResNet>(
      ResNetOptions{options.backbone_width, options.backbone_blocks, false, options.stem_max_pool, group.taps},
      generator);
}

std::unique_ptr<Backbone> make_bottleneck_resnet(const NetworkOptions& options, const CameraGroupNetwork& group,
                                                 Generator& generator) {
  return std::make_unique<ResNet>(
      ResNetOptions{options.backbone_width, options.backbone_blocks, true, options.stem_max_pool, group.taps},
      generator);
}

std::unique_ptr<Neck> make_fpn(const NetworkOptions& options, const std::vector<int64_t>& in_channels,
                               Generator& generator) {
  return std::make_unique<Fpn>(in_channels, options.neck_channels, generator);
}

std::unique_ptr<Neck> make_generalized_lss_fpn(const NetworkOptions& options, const std::vector<int64_t>& in_channels,
                                               Generator& generator) {
  return std::make_unique<GeneralizedLssFpn>(in_channels, options.neck_channels, generator);
}

std::unique_ptr<ViewTransform> make_view_transfer(const NetworkOptions& options, Generator& generator) {
  return std::make_unique<ViewTransfer>(options.neck_channels, options.bev_channels,
                                        BevPoints{options.grid, options.view_heights}, generator);
}

std::unique_ptr<TemporalFusion> make_conv_gru_fusion(const NetworkOptions& options, Generator& generator) {
  return std::make_unique<ConvGruFusion>(options.bev_channels, options.temporal, options.grid, generator);
}

std::unique_ptr<TemporalFusion> make_vgg_block_fusion(const NetworkOptions& options, Generator& generator) {
  return std::make_unique<VggBlockFusion>(options.bev_channels, options.temporal, options.grid, generator);
}

}  // namespace bevgrad
