#include "train/frame_views.h"

#include <cmath>
#include <filesystem>

#include "bev/warp.h"
#include "data/dataset.h"
#include "tensor/ops.h"
#include "train/options/from_config.h"

namespace bevgrad {
namespace {

Tensor sample_of(const Tensor& tensor, int64_t n) {
  return ops::narrow(tensor, 0, n, 1);
}

std::vector<CameraPicture> camera_pictures(const Batch& batch, int64_t n, const config::Sensors& sensors) {
  std::vector<CameraPicture> pictures;
  for (int g = 0; g < sensors.groups_size(); ++g) {
    const int count = sensors.groups(g).cameras_size();
    for (int c = 0; c < count; ++c) {
      pictures.push_back({sensors.groups(g).cameras(c).name(), batch.cameras[static_cast<size_t>(n)][pictures.size()],
                          pixels_of(ops::select(batch.images[static_cast<size_t>(g)], 0, n * count + c))});
    }
  }
  return pictures;
}

/// The current, the warped and the mixed features of one sample.
void add_features(SamplePicture& picture, int64_t n, const NetworkOutput& output, const History& history,
                  const config::Config& proto) {
  const config::TemporalVisualization& show = proto.drawing().temporal_visualization();
  const auto& range = proto.grid().pc_range();
  const BevRange bev{range[0], range[1], range[3], range[4]};
  const Interpolation mode =
      proto.temporal().warp() == config::Temporal::bilinear ? Interpolation::Bilinear : Interpolation::Nearest;
  const Tensor current = sample_of(output.at(kBevFused), n);
  if (show.show_fusion()) picture.features.push_back(feature_panel("current", current, 0));
  const Tensor weights = sample_of(output.at(kFusionWeights), n);
  Tensor mixed = ops::mul(current, ops::narrow(weights, 1, 0, 1));
  picture.weight_titles = {"w(t)"};
  const auto slots = static_cast<int64_t>(history.prev_feat_list.size());
  for (int64_t k = 0; k < slots; ++k) {
    const config::Temporal& temporal = proto.temporal();
    const std::string when = temporal.mode() == config::Temporal::sample_by_distance
                                 ? fmt::format("{:g} m back", temporal.distances(static_cast<int>(k)))
                                 : fmt::format("t - {:g} s", temporal.intervals(static_cast<int>(k)));
    picture.weight_titles.push_back("w(" + when + ")");
    const bool is_valid = ops::to(history.valid, DType::Float32).to_vector()[static_cast<size_t>(n * slots + k)] != 0;
    const bool is_shown = show.show_history() && k < show.history_frames();
    if (!is_valid) {
      if (is_shown)
        picture.features.push_back({when + ": none", Raster<float>(1, current.size(2), current.size(3), NAN)});
      continue;
    }
    const Tensor matrix = ops::contiguous(ops::select(sample_of(history.feature_warp_matrix, n), 1, k));
    const Tensor feature = ops::to(
        ops::contiguous(sample_of(history.prev_feat_list[static_cast<size_t>(k)], n), MemoryFormat::ChannelsLast),
        DType::Float32);
    const Tensor warped = warp_bev(feature, matrix, bev, mode);
    const Tensor mask = warp_mask(matrix, bev, current.size(2), current.size(3));
    if (is_shown) picture.features.push_back(feature_panel(when, warped, 0, mask));
    mixed = ops::add(mixed, ops::mul(warped, ops::narrow(weights, 1, k + 1, 1)));
  }
  if (show.show_fusion()) picture.features.push_back(feature_panel("mixed", mixed, 0));
  if (show.fusion_weights()) picture.fusion_weights = float_raster(output.at(kFusionWeights), n);
}

}  // namespace

EvaluationOptions evaluation_options(const config::Config& proto, const std::vector<TaskKind>& tasks) {
  EvaluationOptions options;
  options.labels = configs::label_schema(proto);
  options.use_lidar = proto.tasks().enable_lidar();
  for (const TaskKind& task : tasks)
    if (task.add_to_evaluation) task.add_to_evaluation(options, proto);
  return options;
}

DrawingOptions drawing_options(const config::Config& proto, const std::vector<TaskKind>& tasks) {
  const config::Drawing& drawing = proto.drawing();
  DrawingOptions options;
  options.show_history = drawing.temporal_visualization().show_history();
  options.show_fusion = drawing.temporal_visualization().show_fusion();
  options.fusion_weights = drawing.temporal_visualization().fusion_weights();
  options.show_points_in_cameras = drawing.show_points_in_cameras();
  options.pixels_per_cell =
      static_cast<double>(drawing.label_w()) / static_cast<double>(configs::label_schema(proto).grid.columns());
  for (const TaskKind& task : tasks)
    if (task.add_to_drawing) task.add_to_drawing(options, proto);
  return options;
}

EvaluationFrame evaluation_frame(const Batch& batch, int64_t n, const NetworkOutput& output, const TaskList& tasks) {
  const auto sample = static_cast<size_t>(n);
  EvaluationFrame frame;
  frame.val_set = batch.datasets[sample];
  frame.key = batch.keys[sample];
  frame.sequence = batch.sequences[sample];
  frame.sequence_name = sequence_name(frame.sequence);
  frame.timestamp = batch.timestamps[sample];
  frame.ego_pose = batch.ego_poses[sample];
  for (const ActiveTask& active : tasks) {
    // Of maps that objects are decoded from nothing else would tell that they are broken.
    for (const NetworkMap& entry : output) {
      if (active.module.empty() || entry.made_by != active.module || ops::all_finite(sample_of(entry.map, n))) continue;
      int64_t& values = frame.non_finite[entry.name];
      for (const double value : sample_of(entry.map, n).to_vector()) values += !std::isfinite(value);
    }
    active.task->add_to_frame(frame, output, batch, n);
  }
  return frame;
}

SamplePicture sample_picture(const Batch& batch, int64_t n, const NetworkOutput& output, const History& history,
                             EvaluationFrame frame, const config::Config& proto, const TaskList& tasks) {
  SamplePicture picture;
  picture.title = fmt::format("{}  {}  t = {:.2f} s", frame.val_set, frame.key, frame.timestamp);
  picture.labels = configs::label_schema(proto);
  picture.cameras = camera_pictures(batch, n, proto.sensors());
  if (proto.tasks().enable_lidar() && static_cast<size_t>(n) < batch.points.size())
    picture.points = batch.points[static_cast<size_t>(n)];
  picture.frame = std::move(frame);
  if (output.has(kFusionWeights) && !history.prev_feat_list.empty()) add_features(picture, n, output, history, proto);
  for (const ActiveTask& active : tasks) active.task->add_to_picture(picture, output, batch, n);
  return picture;
}

void draw_temporal_debug(const std::string& folder, int64_t step, const config::Config& proto, const TaskList& tasks,
                         const Batch& batch, const NetworkOutput& output, const History& history) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  check(!error, "temporal.debug_dir: cannot make {}: {}", folder, error.message());
  const GradModeGuard no_grad(false);
  draw_sample(sample_picture(batch, 0, output, history, evaluation_frame(batch, 0, output, tasks), proto, tasks),
              drawing_options(proto, tasks.kinds()))
      .write_png(fmt::format("{}/step_{:08}.png", folder, step));
}

}  // namespace bevgrad
