#include "evaluation/evaluate_files.h"

#include <algorithm>
#include <cmath>

#include "formats/hdf5/tensor_file.h"

namespace bevgrad {
namespace {

/// A file of frames: every dataset has the frames as its first dimension.
class FrameFile {
 public:
  explicit FrameFile(const std::string& path) : reader_(open(path)) {}

  const std::string& path() const { return reader_.path(); }
  bool has(const std::string& name) const { return reader_.contains(name) && !reader_.is_group(name); }
  Shape sizes(const std::string& name) const { return reader_.sizes(name); }
  std::string val_set() const { return reader_.text_attribute("", "val_set").value_or("predictions"); }

  /// Frames that `name` holds; with `rank` dimensions. Throws UsageError where it has another rank.
  int64_t frames(const std::string& name, size_t rank) const {
    const Shape sizes = reader_.sizes(name);
    if (sizes.size() != rank)
      throw UsageError(fmt::format("{}: {} is {}, expected {} dimensions", path(), name, to_string(sizes), rank));
    return sizes[0];
  }
  /// One frame, the first dimension kept at 1.
  Tensor frame(const std::string& name, int64_t index, DType dtype) const {
    Tensor rows = reader_.read_rows(name, index, 1);
    const bool fits = dtype == DType::Float32 ? is_floating_point(rows.dtype()) : rows.dtype() == dtype;
    if (!fits)
      throw UsageError(
          fmt::format("{}: {} is {}, expected {}", path(), name, bevgrad::name(rows.dtype()), bevgrad::name(dtype)));
    return rows;
  }

 private:
  static Hdf5Reader open(const std::string& path) try { return Hdf5Reader(path); } catch (const Error& error) {
    throw UsageError(error.what());
  }
  Hdf5Reader reader_;
};

Tensor as_float(const Tensor& tensor) {
  if (tensor.dtype() == DType::Float32) return tensor;
  const auto values = tensor.to_vector();
  return from_values(values, tensor.sizes());
}

/// "lane_logits" or "lane" of the predictions, as probabilities.
ProbabilityRaster probabilities(const FrameFile& file, const std::string& task, int64_t index) {
  if (file.has(task + "_logits")) return sigmoid_raster(as_float(file.frame(task + "_logits", index, DType::Float32)));
  ProbabilityRaster raster = float_raster(as_float(file.frame(task, index, DType::Float32)));
  const auto wrong = std::find_if(raster.values.begin(), raster.values.end(),
                                  [](float v) { return std::isfinite(v) && (v < 0 || v > 1); });
  if (wrong != raster.values.end())
    throw UsageError(
        fmt::format("{}: {} holds {:g} in frame {}, expected probabilities from 0 to 1; logits go by the name "
                    "{}_logits",
                    file.path(), task, *wrong, index, task));
  return raster;
}

std::string prediction_of(const FrameFile& file, const std::string& task) {
  return file.has(task + "_logits") ? task + "_logits" : task;
}

struct Files {
  FrameFile predictions, labels;

  bool both(const std::string& task) const {
    return predictions.has(prediction_of(predictions, task)) && labels.has(task);
  }
};

/// The number of frames that all datasets agree on.
int64_t count_frames(const Files& files) {
  int64_t frames = -1;
  std::string first;
  const auto agree = [&](const FrameFile& file, const std::string& name, size_t rank) {
    if (!file.has(name)) return;
    const int64_t count = file.frames(name, rank);
    const std::string where = file.path() + ": " + name;
    if (frames >= 0 && count != frames)
      throw UsageError(fmt::format("{} has {} frames, {} has {}", where, count, first, frames));
    if (frames < 0) first = where;
    frames = count;
  };
  for (const char* task : {"lane", "road"}) {
    agree(files.predictions, prediction_of(files.predictions, task), 4);
    agree(files.labels, task, 4);
  }
  agree(files.labels, "visibility", 4);
  for (const FrameFile* file : {&files.predictions, &files.labels})
    for (const char* name : {"instances", "boxes"}) agree(*file, name, 3);
  agree(files.predictions, "instance_scores", 2);
  agree(files.labels, "sequence", 1);
  agree(files.labels, "timestamp", 1);
  agree(files.labels, "ego_pose", 3);
  if (frames < 0 || !(files.both("lane") || files.both("road") || files.both("instances") || files.both("boxes")))
    throw UsageError(fmt::format(
        "{} and {} have nothing in common that could be evaluated: expected lane, road, instances or boxes in both",
        files.predictions.path(), files.labels.path()));
  return frames;
}

void check_shapes(const Files& files, const char* task, const std::vector<std::string>& classes,
                  const LabelGrid& grid) {
  if (!files.both(task)) return;
  for (const auto& [file, name] : {std::pair{&files.predictions, prediction_of(files.predictions, task)},
                                   std::pair{&files.labels, std::string(task)}}) {
    const Shape sizes = file->sizes(name);
    if (sizes[1] != static_cast<int64_t>(classes.size()))
      throw UsageError(fmt::format("{}: {} has {} classes, expected {}", file->path(), name, sizes[1], classes.size()));
    if (sizes[2] != grid.rows() || sizes[3] != grid.columns())
      throw UsageError(fmt::format("{}: {} has {} x {} cells, expected {} x {}", file->path(), name, sizes[2], sizes[3],
                                   grid.rows(), grid.columns()));
  }
}

std::vector<Instance> instance_labels(const FrameFile& file, int64_t index) {
  const Tensor rows = as_float(file.frame("instances", index, DType::Float32));
  std::vector<Instance> instances;
  for (const auto& scored : scored_instances(rows, zeros({1, rows.size(1)}), 0)) instances.push_back(scored.box);
  return instances;
}

EvaluationFrame read_frame(const Files& files, int64_t index, const std::string& val_set) {
  EvaluationFrame frame;
  frame.val_set = val_set;
  frame.key = std::to_string(index);
  frame.timestamp = 0.1 * static_cast<double>(index);
  if (files.labels.has("sequence"))
    frame.sequence = files.labels.frame("sequence", index, DType::Int64).data<const int64_t>()[0];
  if (files.labels.has("timestamp"))
    frame.timestamp = files.labels.frame("timestamp", index, DType::Float64).data<const double>()[0];
  if (files.labels.has("ego_pose")) {
    const Tensor pose = files.labels.frame("ego_pose", index, DType::Float64);
    check(pose.numel() == 16, "{}: ego_pose is {}, expected [N,4,4]", files.labels.path(), describe(pose));
    std::copy_n(pose.data<const double>(), 16, frame.ego_pose.m.begin());
    if (!frame.ego_pose.is_rigid()) fail("{}: ego_pose of frame {} is no rigid transform", files.labels.path(), index);
  }
  if (files.both("lane")) {
    frame.lane = probabilities(files.predictions, "lane", index);
    frame.lane_label = label_raster(files.labels.frame("lane", index, DType::UInt8));
  }
  if (files.both("road")) {
    frame.road = probabilities(files.predictions, "road", index);
    frame.road_label = label_raster(files.labels.frame("road", index, DType::UInt8));
  }
  // What is predicted but not labelled is not judged; a remark of the evaluation says so.
  if (!frame.lane.empty() != files.predictions.has(prediction_of(files.predictions, "lane")))
    frame.lane = probabilities(files.predictions, "lane", index);
  if (!frame.road.empty() != files.predictions.has(prediction_of(files.predictions, "road")))
    frame.road = probabilities(files.predictions, "road", index);
  if (files.labels.has("visibility"))
    frame.visibility = label_raster(files.labels.frame("visibility", index, DType::UInt8));
  if (files.both("instances")) {
    frame.instances = scored_instances(as_float(files.predictions.frame("instances", index, DType::Float32)),
                                       as_float(files.predictions.frame("instance_scores", index, DType::Float32)), 0);
    frame.instance_labels = instance_labels(files.labels, index);
  }
  if (files.both("boxes")) {
    frame.boxes = scored_boxes(as_float(files.predictions.frame("boxes", index, DType::Float32)), 0);
    frame.box_labels.emplace();
    for (const auto& scored : scored_boxes(as_float(files.labels.frame("boxes", index, DType::Float32)), 0))
      frame.box_labels->push_back(scored.box);
  }
  return frame;
}

}  // namespace

Evaluator evaluate_files(const std::string& predictions, const std::string& labels, const EvaluationOptions& options,
                         const std::function<void(const EvaluationFrame&)>& visit) {
  const Files files{FrameFile(predictions), FrameFile(labels)};
  const int64_t frames = count_frames(files);
  if (files.both("instances") && !files.predictions.has("instance_scores"))
    throw UsageError(fmt::format("{}: there are instances but no instance_scores", predictions));
  check_shapes(files, "lane", options.labels.lane_classes, options.labels.grid);
  check_shapes(files, "road", options.labels.road_classes, options.labels.grid);
  Evaluator evaluator(options);
  const std::string val_set = files.labels.val_set();
  for (int64_t i = 0; i < frames; ++i) {
    const EvaluationFrame frame = read_frame(files, i, val_set);
    evaluator.add(frame);
    if (visit) visit(frame);
  }
  return evaluator;
}

EvaluationOptions fitted_to(const std::string& labels, EvaluationOptions options) {
  const FrameFile file(labels);
  const auto fit = [&](const char* task, std::vector<std::string>& classes) {
    if (!file.has(task)) return;
    file.frames(task, 4);
    const Shape sizes = file.sizes(task);
    if (sizes[1] != static_cast<int64_t>(classes.size())) {
      check(sizes[1] <= 31, "{}: {} has {} classes, at most 31", labels, task, sizes[1]);
      classes.clear();
      for (int64_t c = 0; c < sizes[1]; ++c) classes.push_back(fmt::format("class {}", c));
    }
    LabelGrid& grid = options.labels.grid;
    if (grid.rows() != sizes[2]) grid.y_max = grid.y_min + static_cast<double>(sizes[2]) * grid.cell;
    if (grid.columns() != sizes[3]) grid.x_max = grid.x_min + static_cast<double>(sizes[3]) * grid.cell;
  };
  fit("lane", options.labels.lane_classes);
  fit("road", options.labels.road_classes);
  return options;
}

}  // namespace bevgrad
