// Small samples and datasets for the tests of data/.
#pragma once
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <numbers>
#include <string>

#include "data/image_codec.h"
#include "data/lmdb_store.h"
#include "data/record.h"
#include "internal/info_list.h"
#include "support/error_of.h"
#include "support/temporary_folder.h"

namespace bevgrad::testing {

/// A front pinhole and a pair of fisheyes, a grid of 10 x 20 cells.
inline DatasetOptions small_options() {
  DatasetOptions options;
  options.groups = {{"front", {"front"}, 24, 32}, {"sides", {"left", "right"}, 16, 16}};
  options.labels.grid = {.x_min = 0, .y_min = -1, .z_min = -3, .x_max = 4, .y_max = 1, .z_max = 5, .cell = 0.2};
  return options;
}

inline Camera small_camera(CameraKind kind, int width, int height) {
  Camera camera;
  camera.kind = kind;
  camera.width = width;
  camera.height = height;
  camera.fx = camera.fy = width / 2.5;
  camera.cx = (width - 1) / 2.0;
  camera.cy = (height - 1) / 2.0;
  camera.distortion = kind == CameraKind::Pinhole ? std::array{0.01, -0.02, 0.001, 0.002, 0.003}
                                                  : std::array{0.01, -0.02, 0.003, -0.004, 0.0};
  if (kind == CameraKind::Fisheye) camera.fov = 190 * std::numbers::pi / 180;
  camera.sensor2ego = Pose::from_angles({1.5, 0.1, 1.2}, -1.6, 0.1, -1.5);
  return camera;
}

inline Tensor gradient_image(int height, int width, int phase = 0) {
  Tensor image = empty_image(height, width);
  uint8_t* out = image.data<uint8_t>();
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      *out++ = static_cast<uint8_t>(x * 200 / width + phase);
      *out++ = static_cast<uint8_t>(y * 200 / height + phase);
      *out++ = static_cast<uint8_t>(60 + phase);
    }
  return image;
}

inline Sample small_sample(const std::string& key, int64_t sequence, double timestamp) {
  DatasetOptions options = small_options();
  Sample sample;
  sample.key = key;
  sample.sequence = sequence;
  sample.timestamp = timestamp;
  sample.ego_pose = Pose::from_yaw(10 * timestamp, 1, 0, 0.1);
  sample.true_pose = Pose::from_yaw(10 * timestamp, 1.01, 0, 0.1);
  int phase = static_cast<int>(timestamp * 10) % 40;
  sample.cameras = {{"front", small_camera(CameraKind::Pinhole, 64, 48), gradient_image(48, 64, phase)},
                    {"left", small_camera(CameraKind::Fisheye, 16, 16), gradient_image(16, 16, phase)},
                    {"right", small_camera(CameraKind::Fisheye, 16, 16), gradient_image(16, 16, phase)}};
  sample.points = from_values({1, 2, 0.5, 0.25, -3.1415, 100.25, 1.5, 1, 0, 0, 0, 0}, {3, 4});
  sample.lidar = Vec3{1, 0.5, 2};
  sample.place = "town";
  Labels& labels = sample.labels;
  auto layers = [&](int64_t count) {
    return zeros({count, options.labels.grid.rows(), options.labels.grid.columns()}, {.dtype = DType::UInt8});
  };
  labels.lane = layers(9);
  labels.road = layers(4);
  labels.visibility = layers(3);
  labels.lane.data<uint8_t>()[5] = 1;
  labels.lane.data<uint8_t>()[labels.lane.numel() - 1] = 1;
  labels.road.data<uint8_t>()[7] = kIgnoreLabel;
  labels.road.data<uint8_t>()[201] = 1;
  for (int64_t i = 0; i < 100; ++i) labels.visibility.data<uint8_t>()[kSeenInWindow * 200 + i] = 1;
  labels.lane_shapes = {{2, false, 0.15, {{0.5, 0.25}, {1, 0.5}, {2, 0.75}}}};
  labels.road_shapes = {{3, true, 0, {{0, 0}, {1, 0}, {1, 0.5}}}};
  labels.has_instances = true;
  labels.instances = {{.x = 2, .y = 0.5, .w = 1, .h = 0.25, .angle = 3, .class_id = 1}};
  labels.has_boxes = true;
  labels.boxes = {{.x = 3,
                   .y = 1,
                   .z = 0.75,
                   .l = 4,
                   .w = 2,
                   .h = 1.5,
                   .yaw = -3,
                   .vx = 1,
                   .vy = -2,
                   .class_id = 7,
                   .num_lidar_points = 12,
                   .track = 4},
                  {.x = 3, .y = 1, .z = 0.75, .l = 4, .w = 2, .h = 1.5, .has_velocity = false}};
  return sample;
}

inline std::string frame_key(int64_t sequence, int frame) {
  return fmt::format("{:02}/{:03}", sequence, frame);
}

/// An LMDB with sequences of the given lengths (10 Hz), a list "all.txt" of all keys, and "lmdb.txt".
inline void write_small_dataset(const TemporaryFolder& folder, const std::vector<int>& lengths) {
  LmdbWriter writer(folder / "lmdb");
  std::vector<std::string> keys;
  for (size_t sequence = 0; sequence < lengths.size(); ++sequence)
    for (int frame = 0; frame < lengths[sequence]; ++frame) {
      std::string key = frame_key(static_cast<int64_t>(sequence), frame);
      Sample sample =
          small_sample(key, static_cast<int64_t>(sequence), 100.0 * static_cast<double>(sequence) + 0.1 * frame);
      writer.put(key, encode_record(sample, small_options()));
      keys.push_back(key);
    }
  writer.finish();
  write_lines(folder / "all.txt", keys);
  write_lines(folder / "lmdb.txt", {"lmdb"});
}

}  // namespace bevgrad::testing
