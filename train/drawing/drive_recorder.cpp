#include "train/drawing/drive_recorder.h"

#include <filesystem>
#include <fstream>
#include <optional>

#include "train/drawing/picture_file.h"
#include "train/evaluation/geojson.h"

namespace bevgrad {
namespace {

namespace fs = std::filesystem;

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
  std::string val_set;
  int64_t sequence = 0;
  std::string stem;  ///< file name without its ending
  StitchedMap predicted, truth;
  std::optional<Animation> animation;
  bool has_truth = false;
};

DriveRecorder::DriveRecorder(std::string folder, const DrawingOptions& drawing, const DriveRecorderOptions& options)
    : folder_(std::move(folder)), drawing_(drawing), options_(options) {
  make_folder_of(fs::path(folder_) / "x");
}

DriveRecorder::~DriveRecorder() = default;

void DriveRecorder::begin_drive(const SamplePicture& picture) {
  const EvaluationFrame& frame = picture.frame;
  // picture_file knows how a val set becomes a file name.
  const std::string set = fs::path(picture_file(frame.val_set, "x")).parent_path().filename().string();
  const fs::path stem = fs::path(folder_) / "drives" / fmt::format("{}_{}", set, frame.sequence);
  drive_.reset(new Drive{frame.val_set,
                         frame.sequence,
                         stem.string(),
                         StitchedMap(picture.labels),
                         StitchedMap(picture.labels),
                         {},
                         false});
  make_folder_of(stem);
  if (options_.animations) drive_->animation.emplace(drive_->stem + ".png", 0.1);
}

void DriveRecorder::add(const SamplePicture& picture) {
  const EvaluationFrame& frame = picture.frame;
  if (drive_ && (drive_->val_set != frame.val_set || drive_->sequence != frame.sequence)) finish_drive();
  if (!drive_) begin_drive(picture);
  if (options_.maps && !(frame.lane.empty() && frame.road.empty()))
    drive_->predicted.add(frame.lane, frame.road, drawing_.lane_threshold, drawing_.road_threshold, frame.ego_pose);
  if (options_.maps && !(frame.lane_label.empty() && frame.road_label.empty())) {
    drive_->truth.add(frame.lane_label, frame.road_label, frame.ego_pose);
    drive_->has_truth = true;
  }
  const bool wants_picture = options_.pictures && pictures_ < options_.max_pictures;
  const fs::path file = fs::path(folder_) / picture_file(frame.val_set, frame.key);
  if (wants_picture || options_.animations) {
    const Canvas canvas = draw_sample(picture, drawing_);
    if (options_.animations) drive_->animation->add(canvas);
    if (wants_picture) {
      make_folder_of(file);
      canvas.write_png(file.string());
      ++pictures_;
    }
  }
  if (options_.lanes && !frame.lane.empty()) {
    const auto lanes = lane_vectors(frame.lane, picture.labels.grid,
                                    {drawing_.lane_vector_threshold, drawing_.lane_vector_points, 1.0});
    const fs::path stem =
        fs::path(folder_) / "lanes" / file.parent_path().filename() / file.filename().replace_extension();
    write_text(stem.string() + ".ego.geojson", lanes_geojson(lanes, picture.labels.lane_classes, frame.key));
    write_text(stem.string() + ".map.geojson",
               lanes_geojson(lanes, picture.labels.lane_classes, frame.key, frame.ego_pose));
  }
}

void DriveRecorder::finish_drive() {
  if (options_.animations) drive_->animation->finish();
  if (options_.maps) {
    drive_->predicted.draw().write_png(drive_->stem + "_map.png");
    if (drive_->has_truth) drive_->truth.draw().write_png(drive_->stem + "_label_map.png");
  }
  drive_.reset();
}

void DriveRecorder::finish() {
  if (drive_) finish_drive();
}

}  // namespace bevgrad
