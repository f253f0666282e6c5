#include "drawing/dataset_pictures.h"

#include <algorithm>
#include <filesystem>

#include "drawing/animation.h"
#include "drawing/palette.h"
#include "drawing/sample_picture.h"
#include "internal/picture_file.h"
#include "tensor/ops.h"

namespace bevgrad {
namespace {

/// Empty where nothing is labelled.
LabelRaster labelled(const Tensor& raster) {
  if (!raster.defined()) return {};
  LabelRaster cells = label_raster(ops::unsqueeze(raster, 0), 0);
  const bool known =
      std::any_of(cells.values.begin(), cells.values.end(), [](uint8_t value) { return value != kIgnoreLabel; });
  return known ? cells : LabelRaster();
}

/// Earlier frames that are drawn at most, spread over the time that is asked for.
constexpr int kMostPast = 8;

void add_marks(const std::vector<LabelShape>& shapes, Color (*color_of)(size_t), std::vector<GroundMark>& marks) {
  for (const LabelShape& shape : shapes)
    marks.push_back({shape.points, shape.closed, color_of(static_cast<size_t>(shape.class_id))});
}

/// A raster's marked cells as short lines along x, for records without shapes.
void add_marks(const Tensor& raster, const LabelGrid& grid, Color (*color_of)(size_t), std::vector<GroundMark>& marks) {
  if (!raster.defined()) return;
  const uint8_t* cell = raster.data<const uint8_t>();
  for (int64_t layer = 0; layer < raster.size(0); ++layer)
    for (int64_t row = 0; row < raster.size(1); ++row)
      for (int64_t column = 0; column < raster.size(2); ++column)
        if (*cell++ == 1) {
          const double x = grid.x_min + static_cast<double>(column) * grid.cell;
          const double y = grid.y_min + (static_cast<double>(row) + 0.5) * grid.cell;
          marks.push_back({{{x, y}, {x + grid.cell, y}}, false, color_of(static_cast<size_t>(layer))});
        }
}

std::vector<GroundMark> marks_of(const Labels& labels, const LabelGrid& grid) {
  std::vector<GroundMark> marks;
  if (labels.road_shapes.empty())
    add_marks(labels.road, grid, road_color, marks);
  else
    add_marks(labels.road_shapes, road_color, marks);
  if (labels.lane_shapes.empty())
    add_marks(labels.lane, grid, lane_color, marks);
  else
    add_marks(labels.lane_shapes, lane_color, marks);
  return marks;
}

SamplePicture picture_of(const Sample& sample, const LabelSchema& labels) {
  SamplePicture picture;
  picture.title = fmt::format("{}  t = {:.2f} s", sample.key, sample.timestamp);
  picture.labels = labels;
  picture.has_prediction = false;
  picture.ground_grid = true;
  picture.camera_marks = marks_of(sample.labels, labels.grid);
  for (const CameraImage& camera : sample.cameras)
    picture.cameras.push_back({camera.name, camera.camera, pixels_of(camera.image)});
  picture.points = sample.points;
  picture.frame.lane_label = labelled(sample.labels.lane);
  picture.frame.road_label = labelled(sample.labels.road);
  if (sample.labels.has_instances) picture.frame.instance_labels = sample.labels.instances;
  if (sample.labels.has_boxes) picture.frame.box_labels = sample.labels.boxes;
  return picture;
}

/// A frame and those of its stream before it.
struct FramePlace {
  const Stream* stream;
  size_t at;
};

/// The frames of all streams in their order.
std::vector<FramePlace> places_of(const Dataset& dataset) {
  std::vector<FramePlace> places;
  for (const Stream& stream : dataset.streams())
    for (size_t at = 0; at < stream.frames.size(); ++at) places.push_back({&stream, at});
  return places;
}

Sample load(const Dataset& dataset, int64_t entry, const DatasetOptions& options, const DatasetDrawing& drawing) {
  Sample sample = dataset.load(entry, options);
  if (drawing.change) drawing.change(sample, entry);
  return sample;
}

Canvas draw_frame(const Dataset& dataset, const FramePlace& place, const DatasetDrawing& drawing) {
  const double history_seconds = drawing.history_seconds;
  const DrawingOptions options{.show_points_in_cameras = true, .pixels_per_cell = 2.4, .widest_camera = 640};
  const Sample sample = load(dataset, place.stream->frames[place.at], dataset.options(), drawing);
  SamplePicture picture = picture_of(sample, dataset.options().labels);
  DatasetOptions without_pictures = dataset.options();
  without_pictures.groups.clear();
  double next = 0;
  for (size_t at = 0; at < place.at && history_seconds > 0; ++at) {
    const int64_t frame = place.stream->frames[at];
    const double age = sample.timestamp - dataset.entry(frame).timestamp;
    if (age > history_seconds || (!picture.past.empty() && age > next)) continue;
    next = age - history_seconds / kMostPast;
    const Sample before = load(dataset, frame, without_pictures, drawing);
    picture.past.push_back({age, ground_warp(before.ego_pose, sample.ego_pose), before.points,
                            marks_of(before.labels, dataset.options().labels.grid)});
  }
  // A sequence's first frames keep the panel, so that all of its pictures have one size.
  if (history_seconds > 0 && picture.past.empty() && place.stream->frames.size() > 1)
    picture.past.push_back({0, {}, sample.points, picture.camera_marks});
  return draw_sample(picture, options);
}

}  // namespace

int64_t draw_dataset(const Dataset& dataset, const std::string& folder, const DatasetDrawing& drawing) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  check(!error, "{}: cannot make this folder: {}", folder, error.message());
  const std::vector<FramePlace> places = places_of(dataset);
  const auto frames = static_cast<int64_t>(places.size());
  const int64_t count = std::min(drawing.most, frames);
  for (int64_t i = 0; i < count; ++i) {
    const FramePlace& place = places[static_cast<size_t>((2 * i + 1) * frames / (2 * count))];
    draw_frame(dataset, place, drawing)
        .write_png(fmt::format("{}/{}.png", folder, sample_name(dataset.entry(place.stream->frames[place.at]).key)));
  }
  if (drawing.animated_frames > 0) {
    Animation animation(folder + "/first_sequence.png");
    const Stream& stream = dataset.streams().front();
    const size_t last = std::min(stream.frames.size(), static_cast<size_t>(drawing.animated_frames));
    for (size_t at = 0; at < last; ++at)
      animation.add(draw_frame(dataset, {&stream, at}, drawing), std::max(0.1, dataset.frame_period()));
    animation.finish();
  }
  return count;
}

}  // namespace bevgrad
