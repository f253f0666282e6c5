// Options of models/: the network, its decoders and the history.
#include "train/options/from_config.h"

namespace bevgrad::configs {
namespace {

BevGrid bev_grid(const config::Grid& grid) {
  const auto& range = grid.pc_range();
  return {.x_min = range[0],
          .y_min = range[1],
          .z_min = range[2],
          .x_max = range[3],
          .y_max = range[4],
          .z_max = range[5],
          .cell = grid.bev_cell()};
}

std::array<double, 3> per_channel(const google::protobuf::RepeatedField<double>& values) {
  if (values.size() == 1) return {values[0], values[0], values[0]};
  return {values[0], values[1], values[2]};
}

}  // namespace

NetworkOptions network_options(const Document& document) {
  const config::Config& proto = document.proto;
  const config::Network& network = proto.network();
  NetworkOptions options;
  options.groups.clear();
  for (const config::CameraGroup& group : proto.sensors().groups()) {
    options.groups.push_back({group.name(), group.cameras_size(), group.height(), group.width(),
                              std::vector<int>(group.taps().begin(), group.taps().end())});
  }
  options.image_mean = per_channel(proto.sensors().mean());
  options.image_std = per_channel(proto.sensors().std());
  options.backbone_width = network.backbone_width();
  options.backbone_blocks.assign(network.backbone_blocks().begin(), network.backbone_blocks().end());
  options.stem_max_pool = network.stem_max_pool();
  options.neck_channels = network.neck_channels();
  options.bev_channels = network.bev_channels();
  options.grid = bev_grid(proto.grid());
  options.view_heights.assign(network.view_heights().begin(), network.view_heights().end());
  const config::Lidar& lidar = network.lidar();
  options.lidar.dynamic = lidar.dynamic();
  options.lidar.max_points = lidar.max_points();
  options.lidar.max_pillars = lidar.max_pillars();
  options.lidar.vfe_channels = lidar.vfe_channels();
  options.lidar.legacy = lidar.legacy();
  options.lidar.layers.assign(lidar.layers().begin(), lidar.layers().end());
  options.lidar.channels.assign(lidar.channels().begin(), lidar.channels().end());
  options.lidar.neck_channels = lidar.neck_channels();
  options.temporal.history = static_cast<int64_t>(history_options(proto).intervals.size());
  options.temporal.overlap = proto.temporal().overlap();
  options.temporal.bilinear = proto.temporal().warp() == config::Temporal::bilinear;
  options.enable_lidar = proto.tasks().enable_lidar();
  options.enable_static_temporal = proto.tasks().enable_static_temporal();
  options.use_backbone_amp = proto.train().use_backbone_amp();
  options.use_head_amp = proto.train().use_head_amp();
  options.cuda_graphs = proto.train().cuda_graphs();
  return options;
}

HistoryOptions history_options(const config::Config& proto) {
  const config::Temporal& temporal = proto.temporal();
  HistoryOptions options;
  options.by_distance = temporal.mode() == config::Temporal::sample_by_distance;
  const auto& intervals = options.by_distance ? temporal.distances() : temporal.intervals();
  options.intervals.assign(intervals.begin(), intervals.end());
  options.match_tol = options.by_distance ? temporal.distance_tol() : temporal.match_tol();
  options.interval_variable = temporal.interval_variable();
  options.max_capacity = temporal.max_capacity();
  options.storage = temporal.storage() == config::Temporal::bfloat16 ? DType::BFloat16 : DType::Float32;
  options.identity_warp = temporal.warp() == config::Temporal::identity;
  options.shuffle_poses = temporal.shuffle_poses();
  options.drop = proto.augmentation().drop_history();
  return options;
}

}  // namespace bevgrad::configs
