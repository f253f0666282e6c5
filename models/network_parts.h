// The parts of the network that can be swapped, what each takes and gives, and who makes them. Temporal fusion has its
// own header.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "geometry/camera.h"
#include "models/head.h"
#include "models/network_options.h"
#include "models/temporal_fusion.h"
#include "nn/module.h"
#include "tensor/random.h"

namespace bevgrad {

/// Images into feature maps; one for each camera group.
class Backbone : public Module {
 public:
  /// images [N,3,H,W] -> the maps that the neck takes, finest first, each half the size of the one before.
  virtual std::vector<Tensor> forward(const Tensor& images) = 0;
  /// Channels of these maps.
  virtual std::vector<int64_t> out_channels() const = 0;
};

/// A backbone's maps into one.
class Neck : public Module {
 public:
  /// -> [N,NetworkOptions::neck_channels,h,w]
  virtual Tensor forward(const std::vector<Tensor>& inputs) = 0;
};

struct ViewTransformOutput {
  Tensor bev;              ///< [N,bev_channels,rows,columns] float32
  NamedTensors maps = {};  ///< what else tasks may learn from, [N,..] under public names

  ViewTransformOutput() = default;
  ViewTransformOutput(Tensor bev) : bev(std::move(bev)) {}  // NOLINT: a transform that gives no other map returns it
};
template <class F>
void each_output(ViewTransformOutput& output, F&& f) {
  f(output.bev);
}

/// The cameras' feature maps into the bird's-eye view.
class ViewTransform : public Module {
 public:
  /// features: per group [N*n_g,neck_channels,h,w], sample-major; cameras [N][all] in the groups' order, at the images'
  /// size.
  virtual ViewTransformOutput forward(const std::vector<Tensor>& features,
                                      const std::vector<std::vector<Camera>>& cameras) = 0;
};

std::unique_ptr<Backbone> make_bottleneck_resnet(const NetworkOptions& options, const CameraGroupNetwork& group,
                                                 Generator& generator);
std::unique_ptr<Backbone> make_resnet(const NetworkOptions& options, const CameraGroupNetwork& group,
                                      Generator& generator);
std::unique_ptr<Neck> make_fpn(const NetworkOptions& options, const std::vector<int64_t>& in_channels,
                               Generator& generator);
std::unique_ptr<Neck> make_generalized_lss_fpn(const NetworkOptions& options, const std::vector<int64_t>& in_channels,
                                               Generator& generator);
std::unique_ptr<ViewTransform> make_view_transfer(const NetworkOptions& options, Generator& generator);
std::unique_ptr<TemporalFusion> make_conv_gru_fusion(const NetworkOptions& options, Generator& generator);
std::unique_ptr<TemporalFusion> make_vgg_block_fusion(const NetworkOptions& options, Generator& generator);

/// Who makes the parts; the standard ones unless told otherwise.
struct NetworkParts {
  std::function<std::unique_ptr<Backbone>(const NetworkOptions&, const CameraGroupNetwork&, Generator&)> backbone =
      make_resnet;
  std::function<std::unique_ptr<Neck>(const NetworkOptions&, const std::vector<int64_t>& in_channels, Generator&)>
      neck = make_fpn;
  std::function<std::unique_ptr<ViewTransform>(const NetworkOptions&, Generator&)> view_transform = make_view_transfer;
  std::function<std::unique_ptr<TemporalFusion>(const NetworkOptions&, Generator&)> temporal_fusion =
      make_vgg_block_fusion;
  /// What is computed from the BEV feature, in this order; none unless told otherwise.
  std::vector<HeadSpec> heads = {};
};

}  // namespace bevgrad
