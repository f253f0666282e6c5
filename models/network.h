// The whole network: cameras and LiDAR in, the static road map and boxes out. Parameter names are public API: those of
// torchvision, mmdetection and mmdetection3d where the module exists there.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "models/head.h"
#include "models/network_io.h"
#include "models/network_options.h"
#include "models/network_parts.h"
#include "models/stage.h"
#include "nn/module.h"
#include "tensor/random.h"

namespace bevgrad {

class DeviceGraph;
class PillarFeatureNet;
class PointPillarsScatter;
class LidarBevBackbone;
class ConvFuser;

class Network : public Module {
 public:
  /// Builds what the options switch on and the heads of `parts`, with fresh weights drawn from `generator`. Throws
  /// UsageError for options that NetworkOptions::validate refuses.
  Network(const NetworkOptions& options, Generator& generator, const NetworkParts& parts = {});
  ~Network() override;

  const NetworkOptions& options() const { return options_; }
  /// Every part that a network of this kind can have, in the order in which they run.
  const std::vector<Stage>& stages() const { return stages_; }
  /// The stage that a module or parameter ("fuser.0.weight") belongs to; null where there is none of this name.
  const Stage* stage_of(std::string_view path) const;
  /// Whether a module or parameter belongs to what comes before bev_fused.
  bool is_encoder(std::string_view path) const;
  /// Stages that the options switch off.
  std::vector<std::string> switched_off() const;

  /// Autocast in backbones and necks; starts as options().use_backbone_amp. `predict` switches it off.
  void set_backbone_amp(bool enabled) { options_.use_backbone_amp = enabled; }
  /// The same in temporal fusion and heads.
  void set_head_amp(bool enabled) { options_.use_head_amp = enabled; }

  /// On a GPU, camera trunks that need no gradient are recorded as graphs and replayed, which spares the host their
  /// launches; starts as options().cuda_graphs.
  void set_cuda_graphs(bool enabled) { options_.cuda_graphs = enabled; }
  /// Forward passes of camera trunks that were replays.
  int64_t graph_replays() const;
  /// Why they are not recorded any more; "" where they are.
  std::string graph_problem() const;

  /// The single-frame part: gives bev_camera, bev_lidar and bev_fused. A camera trunk that is frozen, or under a
  /// NoGradGuard in evaluation, runs in chunks of images, so that its memory does not grow with the batch.
  NetworkOutput encode(const NetworkInput& input);
  /// The rest: reads bev_fused and adds all that follows from it. Without temporal fusion in the network `history` is
  /// not read.
  void decode(NetworkOutput& output, const History& history = {});
  /// encode, then decode.
  NetworkOutput forward(const NetworkInput& input, const History& history = {});

 private:
  struct HeadStage {
    std::string name;
    const char* input;  // the map that it takes
    std::unique_ptr<Head> head;
  };

  /// Registers `module` as a child, where there is one, and lists the stage.
  void add_stage(const Stage& stage, Module* module);
  void check_input(const NetworkInput& input) const;
  Tensor camera_features(size_t group, const Tensor& images);
  Tensor camera_trunk(size_t group, const Tensor& images);
  Tensor camera_trunk_in_chunks(size_t group, const Tensor& images);
  Tensor lidar_features(const std::vector<Tensor>& points);
  Tensor lidar_trunk(const std::vector<Tensor>& points);
  DType backbone_dtype() const { return options_.use_backbone_amp ? DType::BFloat16 : DType::Float32; }

  NetworkOptions options_;
  std::vector<std::unique_ptr<DeviceGraph>> trunk_graphs_;  // one a camera group
  std::vector<std::unique_ptr<Backbone>> backbones_;
  std::vector<std::unique_ptr<Neck>> necks_;
  std::unique_ptr<ViewTransform> view_transfer_;
  std::unique_ptr<PillarFeatureNet> lidar_vfe_;
  std::unique_ptr<PointPillarsScatter> lidar_middle_encoder_;
  std::unique_ptr<LidarBevBackbone> lidar_bev_backbone_;
  std::unique_ptr<ConvFuser> fuser_;
  std::unique_ptr<TemporalFusion> temporal_fusion_;
  std::vector<HeadStage> heads_;
  std::vector<Stage> stages_;
};

}  // namespace bevgrad
