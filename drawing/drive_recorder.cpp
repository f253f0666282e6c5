#include "drawing/drive_recorder.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>

#include "evaluation/geojson.h"
#include "internal/picture_file.h"

namespace bevgrad {
namespace {

namespace fs = std::filesystem;

/// Seconds between two frames of an animation at least: five frames a second show a drive as well as ten.
constexpr double kLeastPause = 0.15;

void make_folder_of(const fs::path& file) {
  std::error_code error;
  fs::create_directories(file.parent_path(), error);
  check(!error, "{}: cannot make this folder: {}", file.parent_path().string(), error.message());
}

void write_text(const fs::path& path, const std::string& text) {
  make_folder_of(path);
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  check(file.good(), "{}: could not be written", path.string());
}

}  // namespace

/// One sequence while it is played.
struct DriveRecorder::Drive {
  Drive(const EvaluationFrame& frame, std::string file_stem, const LabelSchema& labels)
      : val_set(frame.val_set),
        series(frame.series()),
        stem(std::move(file_stem)),
        predicted(labels),
        truth(labels),
        before(frame.timestamp) {}

  /// The moving picture leaves out what does not move with the drive: point cloud and features.
  void play(const SamplePicture& picture, DrawingOptions drawing) {
    const double pause = picture.frame.timestamp - before;
    if (animation && pause < kLeastPause) return;
    SamplePicture shown = picture;
    shown.points = {};
    shown.features.clear();
    shown.fusion_weights = {};
    drawing.pixels_per_cell *= 0.75;
    drawing.least_camera *= 0.75;
    drawing.widest_camera *= 0.5;
    const Canvas canvas = draw_sample(shown, drawing);
    if (!animation) animation.emplace(stem + ".png");
    animation->add(canvas, std::clamp(pause, 0.1, 1.0));
    before = picture.frame.timestamp;
  }

  std::string val_set;
  std::string series;
  std::string stem;  ///< file name without its ending
  StitchedMap predicted, truth;
  std::optional<Animation> animation;
  double before;  ///< seconds: the frame before
  bool has_truth = false;
};

DriveRecorder::DriveRecorder(std::string folder, const DrawingOptions& drawing, const DriveRecorderOptions& options)
    : folder_(std::move(folder)), drawing_(drawing), options_(options) {
  make_folder_of(fs::path(folder_) / "x");
}

DriveRecorder::~DriveRecorder() = default;

DriveRecorder::Drive& DriveRecorder::drive_of(const SamplePicture& picture) {
  const EvaluationFrame& frame = picture.frame;
  const auto found = std::find_if(drives_.begin(), drives_.end(), [&](const auto& drive) {
    return drive->val_set == frame.val_set && drive->series == frame.series();
  });
  if (found != drives_.end()) {
    std::rotate(found, found + 1, drives_.end());
    return *drives_.back();
  }
  if (drives_.size() >= std::max<size_t>(1, options_.side_by_side)) finish_oldest();
  const fs::path stem = fs::path(folder_) / drive_stem(frame.val_set, frame.series());
  drives_.push_back(std::make_unique<Drive>(frame, stem.string(), picture.labels));
  return *drives_.back();
}

void DriveRecorder::add(const SamplePicture& picture, bool draws_picture) {
  const EvaluationFrame& frame = picture.frame;
  const fs::path file = fs::path(folder_) / picture_file(frame.val_set, frame.key);
  if (draws_picture && options_.pictures && pictures_ < options_.max_pictures) {
    make_folder_of(file);
    draw_sample(picture, drawing_).write_png(file.string());
    ++pictures_;
    first_pictures_.try_emplace(frame.val_set, file.string());
  }
  if (options_.lanes && !frame.lane.empty()) {
    const auto lanes = lane_vectors(frame.lane, picture.labels.grid,
                                    {drawing_.lane_vector_threshold, drawing_.lane_vector_points, 1.0});
    const fs::path stem = fs::path(folder_) / lanes_stem(frame.val_set, frame.key);
    write_text(stem.string() + ".ego.geojson", lanes_geojson(lanes, picture.labels.lane_classes, frame.key));
    write_text(stem.string() + ".map.geojson",
               lanes_geojson(lanes, picture.labels.lane_classes, frame.key, frame.ego_pose));
  }
  if (!options_.animations && !options_.maps) return;
  Drive& drive = drive_of(picture);
  make_folder_of(drive.stem);
  if (options_.maps && !(frame.lane.empty() && frame.road.empty()))
    drive.predicted.add(frame.lane, frame.road, drawing_.lane_threshold, drawing_.road_threshold, frame.ego_pose);
  if (options_.maps && !(frame.lane_label.empty() && frame.road_label.empty())) {
    drive.truth.add(frame.lane_label, frame.road_label, frame.ego_pose);
    drive.has_truth = true;
  }
  if (options_.animations) drive.play(picture, drawing_);
}

void DriveRecorder::finish_oldest() {
  const std::unique_ptr<Drive> drive = std::move(drives_.front());
  drives_.erase(drives_.begin());
  if (drive->animation) drive->animation->finish();
  if (!options_.maps) return;
  drive->predicted.draw().write_png(drive->stem + "_map.png");
  if (drive->has_truth) drive->truth.draw().write_png(drive->stem + "_label_map.png");
}

void DriveRecorder::finish() {
  while (!drives_.empty()) finish_oldest();
}

}  // namespace bevgrad
