#include "evaluation/evaluate_files.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "evaluation/box_tracks.h"
#include "evaluation/frame_file.h"

namespace bevgrad {
namespace {

using Values = FrameDataset::Values;

struct Files {
  FrameFile predictions, labels;
};

std::string prediction_of(const FrameFile& file, const std::string& task) {
  return file.has(task + "_logits") ? task + "_logits" : task;
}

/// What an evaluation of two files looks at.
struct Contents {
  bool lane = false, road = false, instances = false, boxes = false;  ///< both files have it
  int64_t frames = -1;
};

/// Checks every dataset of both files that the evaluation knows, so that no frame can fail for its shape.
class Inspection {
 public:
  explicit Inspection(const Files& files) : files_(files) {}

  Contents run(const LabelSchema& labels) {
    Contents contents;
    contents.lane = raster("lane", labels.lane_classes, labels.grid);
    contents.road = raster("road", labels.road_classes, labels.grid);
    see(files_.labels, {"visibility", {3, labels.grid.rows(), labels.grid.columns()}, "[N,3,H,W]", Values::Mask},
        &labels.grid);
    const bool predicted = see(files_.predictions, {"instances", {-1, 6}, "[N,max,6]"});
    const bool labelled = see(files_.labels, {"instances", {-1, 6}, "[N,max,6]"});
    if (predicted) {
      if (!files_.predictions.has("instance_scores"))
        throw UsageError(fmt::format("{}: there are instances but no instance_scores", files_.predictions.path()));
      const int64_t most = files_.predictions.sizes("instances")[1];
      see(files_.predictions, {"instance_scores", {most}, fmt::format("[N,{}] as instances", most)});
    }
    contents.instances = predicted && labelled;
    const bool boxes_predicted = see(files_.predictions, {"boxes", {-1, 11}, "[N,max,11]"});
    const bool boxes_labelled = see(files_.labels, {"boxes", {-1, 11}, "[N,max,11]"});
    contents.boxes = boxes_predicted && boxes_labelled;
    if (boxes_labelled) {
      const int64_t most = files_.labels.sizes("boxes")[1];
      for (const char* name : {"box_points", "box_tracks"})
        see(files_.labels, {name, {most}, fmt::format("[N,{}] as boxes", most), Values::Integer});
    }
    if (boxes_predicted) {
      const int64_t most = files_.predictions.sizes("boxes")[1];
      see(files_.predictions, {"box_tracks", {most}, fmt::format("[N,{}] as boxes", most), Values::Integer});
    }
    see(files_.labels, {"sequence", {}, "[N]", Values::Integer});
    see(files_.labels, {"timestamp", {}, "[N]"});
    see(files_.labels, {"ego_pose", {4, 4}, "[N,4,4]"});
    if (!(contents.lane || contents.road || contents.instances || contents.boxes))
      throw UsageError(fmt::format(
          "{} and {} have nothing in common that could be evaluated: expected lane, road, instances or boxes in both",
          files_.predictions.path(), files_.labels.path()));
    contents.frames = frames_;
    return contents;
  }

 private:
  bool see(const FrameFile& file, const FrameDataset& dataset, const LabelGrid* grid = nullptr) {
    if (!file.has(dataset.name)) return false;
    if (grid) check_grid(file, dataset.name, *grid);
    const int64_t count = file.expect(dataset);
    const std::string where = file.path() + ": " + dataset.name;
    if (frames_ >= 0 && count != frames_)
      throw UsageError(fmt::format("{} has {} frames, {} has {}", where, count, first_, frames_));
    if (frames_ < 0) first_ = where;
    frames_ = count;
    return true;
  }
  bool raster(const std::string& task, const std::vector<std::string>& classes, const LabelGrid& grid) {
    const auto one = [&](const FrameFile& file, const std::string& name, Values values) {
      if (!file.has(name)) return false;
      const Shape sizes = file.sizes(name);
      if (sizes.size() == 4 && sizes[1] != static_cast<int64_t>(classes.size()))
        throw UsageError(
            fmt::format("{}: {} has {} classes, expected {}", file.path(), name, sizes[1], classes.size()));
      const Shape row = {static_cast<int64_t>(classes.size()), grid.rows(), grid.columns()};
      return see(file, {name, row, "[N,classes,H,W]", values}, &grid);
    };
    const bool predicted = one(files_.predictions, prediction_of(files_.predictions, task), Values::Floating);
    return one(files_.labels, task, Values::Mask) && predicted;
  }
  static void check_grid(const FrameFile& file, const std::string& name, const LabelGrid& grid) {
    const Shape sizes = file.sizes(name);
    if (sizes.size() == 4 && (sizes[2] != grid.rows() || sizes[3] != grid.columns()))
      throw UsageError(fmt::format("{}: {} has {} x {} cells, expected {} x {}", file.path(), name, sizes[2], sizes[3],
                                   grid.rows(), grid.columns()));
  }

  const Files& files_;
  int64_t frames_ = -1;
  std::string first_;
};

/// "lane_logits" or "lane" of the predictions, as probabilities.
ProbabilityRaster probabilities(const FrameFile& file, const std::string& task, int64_t index) {
  if (file.has(task + "_logits")) return sigmoid_raster(file.floats(task + "_logits", index));
  ProbabilityRaster raster = float_raster(file.floats(task, index));
  const auto wrong = std::find_if(raster.values.begin(), raster.values.end(), [](float v) { return v < 0 || v > 1; });
  if (wrong != raster.values.end())
    throw UsageError(
        fmt::format("{}: {} holds {:g} in frame {}, expected probabilities from 0 to 1; logits go by the name "
                    "{}_logits",
                    file.path(), task, *wrong, index, task));
  return raster;
}

/// Labels are known to be right, so that one that cannot be is a mistake in the file.
template <class Items, class IsBroken>
void check_labels(const FrameFile& file, const char* name, int64_t index, const Items& items, IsBroken is_broken) {
  for (size_t i = 0; i < items.size(); ++i)
    if (is_broken(items[i]))
      throw UsageError(fmt::format(
          "{}: {} of frame {}: the {}. one has a place or size that is not finite, a negative size, or a class that "
          "there is not",
          file.path(), name, index, i + 1));
}

std::vector<Instance> instance_labels(const FrameFile& file, int64_t index, const LabelSchema& labels) {
  const Tensor rows = file.floats("instances", index);
  std::vector<Instance> instances;
  for (const auto& scored : scored_instances(rows, zeros({1, rows.size(1)}), 0)) instances.push_back(scored.box);
  check_labels(file, "instances", index, instances,
               [&](const Instance& i) { return is_broken(i, labels.instance_classes.size()); });
  return instances;
}

/// The numbers of tracks of boxes, where the file has them; below 0: not known.
void read_tracks(const FrameFile& file, int64_t index, std::vector<ScoredBox>& boxes) {
  if (!file.has("box_tracks")) return;
  const std::vector<int64_t> tracks = file.integers("box_tracks", index);
  for (ScoredBox& scored : boxes) scored.box.track = std::max<int64_t>(tracks[static_cast<size_t>(scored.row)], -1);
}

std::vector<Box3d> box_labels(const FrameFile& file, int64_t index, const LabelSchema& labels) {
  std::vector<ScoredBox> rows = scored_boxes(file.floats("boxes", index), 0);
  read_tracks(file, index, rows);
  std::vector<int64_t> points;
  if (file.has("box_points")) points = file.integers("box_points", index);
  std::vector<Box3d> boxes;
  for (const ScoredBox& scored : rows) {
    boxes.push_back(scored.box);
    if (!points.empty())
      boxes.back().num_lidar_points =
          static_cast<int>(std::clamp<int64_t>(points[static_cast<size_t>(scored.row)], -1, INT32_MAX));
  }
  check_labels(file, "boxes", index, boxes,
               [&](const Box3d& b) { return is_broken(b, labels.dynamic_classes.size()); });
  return boxes;
}

EvaluationFrame read_frame(const Files& files, const Contents& contents, int64_t index, const std::string& val_set,
                           const LabelSchema& labels) {
  EvaluationFrame frame;
  frame.val_set = val_set;
  frame.key = std::to_string(index);
  frame.timestamp = 0.1 * static_cast<double>(index);
  if (files.labels.has("sequence")) frame.sequence = files.labels.integers("sequence", index)[0];
  if (files.labels.has("timestamp")) {
    frame.timestamp = files.labels.numbers("timestamp", index)[0];
    if (!std::isfinite(frame.timestamp))
      throw UsageError(fmt::format("{}: timestamp of frame {} is not finite", files.labels.path(), index));
  }
  if (files.labels.has("ego_pose")) {
    const std::vector<double> pose = files.labels.numbers("ego_pose", index);
    std::copy_n(pose.begin(), 16, frame.ego_pose.m.begin());
    if (!frame.ego_pose.is_rigid())
      throw UsageError(fmt::format("{}: ego_pose of frame {} is no rigid transform", files.labels.path(), index));
  }
  // What is predicted but not labelled is not judged; a remark of the evaluation says so.
  for (const char* task : {"lane", "road"}) {
    const bool is_lane = task == std::string("lane");
    if (files.predictions.has(prediction_of(files.predictions, task)))
      (is_lane ? frame.lane : frame.road) = probabilities(files.predictions, task, index);
    if (is_lane ? contents.lane : contents.road)
      (is_lane ? frame.lane_label : frame.road_label) = files.labels.mask(task, index);
  }
  if (files.labels.has("visibility")) frame.visibility = files.labels.mask("visibility", index);
  if (contents.instances) {
    frame.instances = scored_instances(files.predictions.floats("instances", index),
                                       files.predictions.floats("instance_scores", index), 0);
    frame.instance_labels = instance_labels(files.labels, index, labels);
  }
  if (contents.boxes) {
    frame.boxes = scored_boxes(files.predictions.floats("boxes", index), 0);
    read_tracks(files.predictions, index, frame.boxes);
    frame.box_labels = box_labels(files.labels, index, labels);
  }
  return frame;
}

/// Class names that the user gave for a raster: as many as it has layers.
void check_names(const FrameFile& file, const char* task, const std::vector<std::string>& names) {
  if (names.empty()) return;
  const int64_t layers = file.has(task) ? file.sizes(task)[1] : 0;
  if (layers != static_cast<int64_t>(names.size()))
    throw UsageError(fmt::format("--{}-classes: {} names, {} has {}", task, names.size(), file.path(),
                                 layers == 0 ? fmt::format("no {}", task) : fmt::format("{} {} layers", layers, task)));
}

}  // namespace

Evaluator evaluate_files(const std::string& predictions, const std::string& labels, const EvaluationOptions& options,
                         const std::function<void(const EvaluationFrame&)>& visit) {
  const Files files{FrameFile(predictions), FrameFile(labels)};
  const Contents contents = Inspection(files).run(options.labels);
  Evaluator evaluator(options);
  BoxTracker tracker(options.tracks);
  const std::string val_set = files.labels.val_set();
  for (int64_t i = 0; i < contents.frames; ++i) {
    EvaluationFrame frame = read_frame(files, contents, i, val_set, options.labels);
    tracker.follow(frame);
    evaluator.add(frame);
    if (visit) visit(frame);
  }
  return evaluator;
}

EvaluationOptions fitted_to(const std::string& labels, EvaluationOptions options, const GivenClasses& given) {
  const FrameFile file(labels);
  const auto fit = [&](const char* task, std::vector<std::string>& classes, const std::vector<std::string>& names) {
    if (file.has(task)) {
      file.expect({task, {-1, -1, -1}, "[N,classes,H,W]", Values::Mask});
      const Shape sizes = file.sizes(task);
      if (sizes[1] > 31) throw UsageError(fmt::format("{}: {} has {} classes, at most 31", labels, task, sizes[1]));
      if (names.empty() && sizes[1] != static_cast<int64_t>(classes.size())) {
        classes.clear();
        for (int64_t c = 0; c < sizes[1]; ++c) classes.push_back(fmt::format("class {}", c));
      }
      LabelGrid& grid = options.labels.grid;
      if (grid.rows() != sizes[2]) grid.y_max = grid.y_min + static_cast<double>(sizes[2]) * grid.cell;
      if (grid.columns() != sizes[3]) grid.x_max = grid.x_min + static_cast<double>(sizes[3]) * grid.cell;
    }
    check_names(file, task, names);
    if (!names.empty()) classes = names;
  };
  fit("lane", options.labels.lane_classes, given.lane);
  fit("road", options.labels.road_classes, given.road);
  return options;
}

}  // namespace bevgrad
