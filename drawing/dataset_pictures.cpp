#include "drawing/dataset_pictures.h"

#include <algorithm>
#include <filesystem>

#include "drawing/picture_file.h"
#include "drawing/sample_picture.h"
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

SamplePicture picture_of(const Sample& sample, const LabelSchema& labels) {
  SamplePicture picture;
  picture.title = fmt::format("{}  t = {:.2f} s", sample.key, sample.timestamp);
  picture.labels = labels;
  picture.has_prediction = false;
  for (const CameraImage& camera : sample.cameras)
    picture.cameras.push_back({camera.name, camera.camera, pixels_of(camera.image)});
  picture.points = sample.points;
  picture.frame.lane_label = labelled(sample.labels.lane);
  picture.frame.road_label = labelled(sample.labels.road);
  if (sample.labels.has_instances) picture.frame.instance_labels = sample.labels.instances;
  if (sample.labels.has_boxes) picture.frame.box_labels = sample.labels.boxes;
  return picture;
}

}  // namespace

int64_t draw_dataset(const Dataset& dataset, const std::string& folder, int64_t most) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  check(!error, "{}: cannot make this folder: {}", folder, error.message());
  const DrawingOptions options{.show_points_in_cameras = true, .pixels_per_cell = 2.4, .widest_camera = 640};
  const int64_t count = std::min(most, dataset.size());
  for (int64_t i = 0; i < count; ++i) {
    const Sample sample = dataset.load((2 * i + 1) * dataset.size() / (2 * count));
    draw_sample(picture_of(sample, dataset.options().labels), options)
        .write_png(fmt::format("{}/{}.png", folder, sample_name(sample.key)));
  }
  return count;
}

}  // namespace bevgrad
