#include "models/network.h"

#include <algorithm>

#include "autograd/autocast.h"
#include "autograd/branches.h"
#include "autograd/functions/shape.h"
#include "models/camera/normalise.h"
#include "models/fuser.h"
#include "models/lidar/lidar_bev_backbone.h"
#include "models/lidar/pillar_scatter.h"
#include "models/lidar/pillar_vfe.h"
#include "nn/module_call.h"
#include "tensor/device_graph.h"
#include "tensor/profile.h"

namespace bevgrad {
namespace {

// Samples whose LiDAR maps are computed together where no gradient is wanted.
constexpr int64_t kLidarChunk = 4;
// A GPU has no cache that a chunk should stay in, and many multiprocessors to fill: it takes so many times as much.
constexpr int64_t kGpuChunks = 8;

constexpr const char* kTemporalFusion = "bev_static_temporal_fusion";

bool runs_without_gradient(const std::vector<const Module*>& modules) {
  return std::ranges::all_of(modules,
                             [](const Module* m) { return m->frozen() || (!grad_enabled() && !m->training()); });
}

// part(begin, end) of [0, count) in runs of `chunk`, joined along dimension 0 without a second copy of the whole.
template <class Part>
Tensor in_chunks(int64_t count, int64_t chunk, const Part& part) {
  const NoGradGuard no_grad;
  Tensor whole;
  for (int64_t begin = 0; begin < count; begin += chunk) {
    const int64_t end = std::min(count, begin + chunk);
    const Tensor piece = part(begin, end);
    if (begin == 0 && end == count) return piece;
    if (!whole.defined()) {
      Shape sizes = piece.sizes();
      sizes[0] = count;
      whole = empty(sizes, {piece.dtype(), piece.suggested_format(), piece.device()});
    }
    ops::copy_(ops::narrow(whole, 0, begin, end - begin), piece);
  }
  return whole;
}

}  // namespace

Network::Network(const NetworkOptions& options, Generator& generator, const NetworkParts& parts) : options_(options) {
  options_.validate();
  for (size_t i = 0; i < options_.groups.size(); ++i) {
    backbones_.push_back(parts.backbone(options_, options_.groups[i], generator));
    add_stage({.name = fmt::format("stage1_backbone{}", i), .is_encoder = true}, backbones_.back().get());
    trunk_graphs_.push_back(std::make_unique<DeviceGraph>());
  }
  for (size_t i = 0; i < options_.groups.size(); ++i) {
    necks_.push_back(parts.neck(options_, backbones_[i]->out_channels(), generator));
    add_stage({.name = fmt::format("stage1_neck{}", i), .is_encoder = true}, necks_.back().get());
  }
  const int64_t bev = options_.bev_channels;
  if (!options_.groups.empty()) view_transfer_ = parts.view_transform(options_, generator);
  add_stage({.name = "view_transfer", .is_encoder = true}, view_transfer_.get());
  int64_t fused = view_transfer_ ? bev : 0;
  if (options_.enable_lidar) {
    lidar_vfe_ = std::make_unique<PillarFeatureNet>(options_.lidar, generator);
    lidar_middle_encoder_ = std::make_unique<PointPillarsScatter>(options_.grid);
    lidar_bev_backbone_ = std::make_unique<LidarBevBackbone>(options_.lidar, generator);
    fused += 3 * options_.lidar.neck_channels;
  }
  add_stage({.name = "lidar_vfe", .is_encoder = true}, lidar_vfe_.get());
  add_stage({.name = "lidar_middle_encoder", .is_encoder = true}, lidar_middle_encoder_.get());
  add_stage({.name = "lidar_bev_backbone", .is_encoder = true}, lidar_bev_backbone_.get());
  fuser_ = std::make_unique<ConvFuser>(fused, bev, generator);
  add_stage({.name = "fuser", .is_encoder = true}, fuser_.get());
  if (options_.enable_static_temporal) temporal_fusion_ = parts.temporal_fusion(options_, generator);
  add_stage(
      {.name = kTemporalFusion, .is_neutral_untrained = temporal_fusion_ && temporal_fusion_->is_neutral_untrained()},
      temporal_fusion_.get());
  for (const HeadSpec& spec : parts.heads) {
    std::unique_ptr<Head> head = spec.make ? spec.make(bev, generator) : nullptr;
    add_stage({.name = spec.name}, head.get());
    if (head) heads_.push_back({spec.name, spec.input, std::move(head)});
  }
}

Network::~Network() = default;

void Network::add_stage(const Stage& stage, Module* module) {
  stages_.push_back(stage);
  stages_.back().module = module;
  if (module != nullptr) register_module(stage.name, *module);
}

const Stage* Network::stage_of(std::string_view path) const {
  const std::string_view name = path.substr(0, path.find('.'));
  const auto found = std::ranges::find(stages_, name, &Stage::name);
  return found == stages_.end() ? nullptr : &*found;
}

bool Network::is_encoder(std::string_view path) const {
  const Stage* stage = stage_of(path);
  return stage != nullptr && stage->is_encoder;
}

std::vector<std::string> Network::switched_off() const {
  std::vector<std::string> names;
  for (const Stage& stage : stages_)
    if (stage.module == nullptr) names.push_back(stage.name);
  return names;
}

void Network::check_input(const NetworkInput& input) const {
  const int64_t batch = input.size();
  check(batch > 0, "network: the input holds no sample");
  check(input.images.size() == options_.groups.size(), "network: images of {} groups came, expected {}",
        input.images.size(), options_.groups.size());
  for (size_t i = 0; i < options_.groups.size(); ++i) {
    const CameraGroupNetwork& group = options_.groups[i];
    const Shape expected = {batch * group.num_cameras, 3, group.height, group.width};
    check(input.images[i].defined() && input.images[i].sizes() == expected,
          "network: the images of group {} are {}, expected {}", i,
          input.images[i].defined() ? to_string(input.images[i].sizes()) : "undefined", to_string(expected));
  }
  for (const std::vector<Camera>& rig : input.cameras) {
    check(static_cast<int64_t>(rig.size()) == options_.num_cameras(), "network: {} cameras of a sample, expected {}",
          rig.size(), options_.num_cameras());
    size_t next = 0;
    for (const CameraGroupNetwork& group : options_.groups) {
      for (int64_t i = 0; i < group.num_cameras; ++i, ++next) {
        check(rig[next].width == group.width && rig[next].height == group.height,
              "network: camera {} is calibrated for {}x{} pixels, its image has {}x{}", next, rig[next].width,
              rig[next].height, group.width, group.height);
      }
    }
  }
  check(!options_.enable_lidar || static_cast<int64_t>(input.points.size()) == batch,
        "network: points of {} samples came, expected {}", input.points.size(), batch);
}

Tensor Network::camera_trunk(size_t group, const Tensor& images) {
  const AutocastGuard autocast(backbone_dtype());
  const Tensor x = images.dtype() == DType::UInt8
                       ? normalise_images(images, options_.image_mean, options_.image_std, backbone_dtype())
                       : images;
  return necks_[group]->forward(backbones_[group]->forward(x));
}

Tensor Network::camera_features(size_t group, const Tensor& images) {
  if (!runs_without_gradient({backbones_[group].get(), necks_[group].get()})) return camera_trunk(group, images);
  // What looks at single modules or times them needs them to run.
  if (!options_.cuda_graphs || images.device().is_cpu() || has_hooks_within() || profile::is_active())
    return camera_trunk_in_chunks(group, images);
  std::vector<uint64_t> state = {options_.use_backbone_amp};
  for (const Module* part :
       {static_cast<const Module*>(backbones_[group].get()), static_cast<const Module*>(necks_[group].get())})
    for (const auto& [name, tensor] : part->state_dict()) state.push_back(tensor.storage()->version);
  return trunk_graphs_[group]->run({images}, state, [&](const std::vector<Tensor>& x) {
    return std::vector<Tensor>{camera_trunk_in_chunks(group, x[0])};
  })[0];
}

int64_t Network::graph_replays() const {
  int64_t replays = 0;
  for (const auto& graph : trunk_graphs_) replays += graph->replays();
  return replays;
}

std::string Network::graph_problem() const {
  for (const auto& graph : trunk_graphs_)
    if (!graph->problem().empty()) return graph->problem();
  return "";
}

Tensor Network::camera_trunk_in_chunks(size_t group, const Tensor& images) {
  const int64_t count = images.size(0), pixels = images.size(2) * images.size(3);
  const int64_t limit = options_.trunk_chunk_pixels * (images.device().is_cpu() ? 1 : kGpuChunks);
  const int64_t chunk = limit == 0 ? count : std::clamp<int64_t>(limit / pixels, 1, count);
  return in_chunks(count, chunk, [&](int64_t begin, int64_t end) {
    return camera_trunk(group, ops::narrow(images, 0, begin, end - begin));
  });
}

Tensor Network::lidar_trunk(const std::vector<Tensor>& points) {
  const Pillars pillars = make_pillars(points, options_.grid, options_.lidar);
  const Tensor features = lidar_vfe_->forward(pillars);
  const Tensor map = lidar_middle_encoder_->forward(features, pillars, static_cast<int64_t>(points.size()));
  const AutocastGuard autocast(backbone_dtype());
  return to(lidar_bev_backbone_->forward(map), DType::Float32);
}

Tensor Network::lidar_features(const std::vector<Tensor>& points) {
  if (!runs_without_gradient({lidar_vfe_.get(), lidar_bev_backbone_.get()})) return lidar_trunk(points);
  const int64_t chunk = kLidarChunk * (device().is_cpu() ? 1 : kGpuChunks);
  return in_chunks(static_cast<int64_t>(points.size()), chunk, [&](int64_t begin, int64_t end) {
    return lidar_trunk({points.begin() + begin, points.begin() + end});
  });
}

NetworkOutput Network::encode(const NetworkInput& input) {
  const ModuleScope scope(*this);
  check_input(input);
  std::vector<Tensor> features(backbones_.size());
  Tensor lidar;
  std::vector<std::function<void()>> branches;
  for (size_t i = 0; i < backbones_.size(); ++i)
    branches.push_back([&, i] { features[i] = camera_features(i, ops::to(input.images[i], device())); });
  if (lidar_bev_backbone_) branches.push_back([&] { lidar = lidar_features(input.points); });
  run_branches(branches);
  NetworkOutput output;
  std::vector<Tensor> parts;
  if (view_transfer_) {
    ViewTransformOutput view = view_transfer_->forward(features, input.cameras);
    const char* made_by = "stage1_backbone, stage1_neck, view_transfer";
    output.set(kBevCamera, view.bev, made_by);
    for (const auto& [name, map] : view.maps) output.set(name, map, made_by);
    parts.push_back(std::move(view.bev));
  }
  features.clear();
  if (lidar.defined()) {
    parts.push_back(std::move(lidar));
    output.set(kBevLidar, parts.back(), "lidar_vfe, lidar_bev_backbone");
  }
  output.set(kBevFused, fuser_->forward(parts), "fuser");
  return output;
}

void Network::decode(NetworkOutput& output, const History& history) {
  const ModuleScope scope(*this);
  const Tensor fused = output.at(kBevFused);
  const AutocastGuard autocast(options_.use_head_amp ? DType::BFloat16 : DType::Float32);
  if (temporal_fusion_) {
    const TemporalFusionOutput temporal = temporal_fusion_->forward(fused, history);
    check(temporal.fused.defined() && temporal.fused.sizes() == fused.sizes() && temporal.weights.defined(),
          "network: the temporal fusion gave {}{}, expected {} with weights",
          temporal.fused.defined() ? describe(temporal.fused) : "nothing",
          temporal.weights.defined() ? "" : " without weights", to_string(fused.sizes()));
    output.set(kFusionWeights, temporal.weights, kTemporalFusion);
    output.set(kBevTemporal, temporal.fused, kTemporalFusion);
  } else {
    output.set(kBevTemporal, fused, "fuser");
  }
  std::vector<NamedTensors> maps(heads_.size());
  std::vector<std::function<void()>> branches;
  for (size_t i = 0; i < heads_.size(); ++i)
    branches.push_back([&, i] { maps[i] = heads_[i].head->forward(output.at(heads_[i].input)); });
  run_branches(branches);
  for (size_t i = 0; i < heads_.size(); ++i)
    for (const auto& [name, map] : maps[i]) output.set(name, to(map, DType::Float32), heads_[i].name);
}

NetworkOutput Network::forward(const NetworkInput& input, const History& history) {
  NetworkOutput output = encode(input);
  decode(output, history);
  return output;
}

}  // namespace bevgrad
