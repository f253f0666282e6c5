// A made-up sample with everything that a picture can show.
#pragma once
#include <cmath>
#include <numbers>

#include "drawing/sample_picture.h"
#include "geometry/polyline.h"

namespace bevgrad {

inline Camera example_camera(CameraKind kind, double yaw, int width = 320, int height = 192) {
  Camera camera;
  camera.kind = kind;
  camera.width = width, camera.height = height;
  camera.cx = (width - 1) / 2.0, camera.cy = (height - 1) / 2.0;
  camera.fx = camera.fy = kind == CameraKind::Fisheye ? width / 3.3 : width / 2.0;
  camera.fov = 190 * std::numbers::pi / 180;
  // Sensor x right, y down, z forward, in an ego frame of x forward, y left, z up; turned by yaw about the ego's z.
  Pose sensor;
  sensor.m = {0, 0, 1, 0, -1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 0, 1};
  camera.sensor2ego = Pose::from_yaw(1.5 * std::cos(yaw), 0.8 * std::sin(yaw), 1.5, yaw) * sensor;
  return camera;
}

template <class T>
void paint(Raster<T>& raster, const LabelGrid& grid, int64_t channel, const std::vector<Vec2>& line, double width,
           T value) {
  for (int64_t r = 0; r < raster.rows; ++r)
    for (int64_t c = 0; c < raster.columns; ++c) {
      const Vec2 centre{grid.x_min + (static_cast<double>(c) + 0.5) * grid.cell,
                        grid.y_min + (static_cast<double>(r) + 0.5) * grid.cell};
      if (distance_to_polyline(centre, line) <= width / 2) raster.at(channel, r, c) = value;
    }
}

inline SamplePicture example_picture() {
  SamplePicture picture;
  picture.title = "online / sequence 12 / frame 34, t = 3.40 s";
  const LabelGrid& grid = picture.labels.grid;
  EvaluationFrame& frame = picture.frame;
  frame.val_set = "online";
  frame.key = "12/34";
  frame.sequence = 12;
  frame.timestamp = 3.4;
  frame.lane_label = LabelRaster(9, grid.rows(), grid.columns());
  frame.road_label = LabelRaster(4, grid.rows(), grid.columns());
  frame.visibility = LabelRaster(3, grid.rows(), grid.columns(), 1);
  frame.lane = ProbabilityRaster(9, grid.rows(), grid.columns(), 0.02f);
  frame.road = ProbabilityRaster(4, grid.rows(), grid.columns(), 0.02f);
  const auto curve = [](double y) {
    std::vector<Vec2> line;
    for (double x = -20; x <= 62; x += 2) line.push_back({x, y + 0.003 * std::max(0.0, x) * x});
    return line;
  };
  for (int i = 0; i < 4; ++i) {
    const auto channel = static_cast<int64_t>(i * 2);
    paint(frame.lane_label, grid, channel, curve(-5.4 + 3.6 * i), 0.6, uint8_t{1});
    paint(frame.lane, grid, i == 3 ? channel + 1 : channel, curve(-5.4 + 3.6 * i + (i == 1 ? 0.5 : 0.0)), 0.6, 0.9f);
  }
  paint(frame.road_label, grid, 0, {{-20, 12}, {30, 12}}, 0.8, uint8_t{1});
  paint(frame.road, grid, 0, {{-20, 12}, {25, 12}}, 0.8, 0.95f);
  paint(frame.road_label, grid, 1, curve(-8), 0.6, uint8_t{1});
  paint(frame.road, grid, 1, curve(-8), 0.6, 0.95f);
  paint(frame.road_label, grid, 2, {{20, -5}, {20, 5}}, 1.0, uint8_t{1});
  for (int64_t r = 0; r < 40; ++r)
    for (int64_t c = 300; c < 416; ++c)
      for (int64_t k = 0; k < 4; ++k) frame.road_label.at(k, r, c) = 255;
  frame.instance_labels = std::vector<Instance>{{20, 0, 10, 1, std::numbers::pi / 2, 0}, {5, -12, 5, 2.5, 0.2, 2}};
  frame.instances = {{{5.2, -12.1, 5, 2.4, 0.25, 2}, 0.9}};
  Box3d car;
  car.x = 12, car.y = 1.5, car.z = 0.8, car.l = 4.5, car.w = 1.9, car.h = 1.6, car.yaw = 0.1;
  frame.box_labels = {{car}};
  car.x += 0.4, car.yaw = 0.15;
  frame.boxes = {{car, 0.8}};

  const std::pair<const char*, std::pair<CameraKind, double>> cameras[] = {
      {"front", {CameraKind::Pinhole, 0}},
      {"back", {CameraKind::Pinhole, std::numbers::pi}},
      {"left (fisheye)", {CameraKind::Fisheye, std::numbers::pi / 2}},
      {"right (fisheye)", {CameraKind::Fisheye, -std::numbers::pi / 2}}};
  for (const auto& [name, kind] : cameras) {
    CameraPicture camera{name, example_camera(kind.first, kind.second), {}};
    camera.image = {320, 192, std::vector<uint8_t>(320 * 192 * 3, 70)};
    for (size_t i = 0; i < camera.image.rgb.size() / 2; ++i) camera.image.rgb[i] = 120;  // above the horizon
    picture.cameras.push_back(std::move(camera));
  }
  picture.points = empty({4000, 4});
  for (int64_t i = 0; i < 4000; ++i) {
    const double angle = 0.0157 * static_cast<double>(i % 400), radius = 3.0 + 2.5 * static_cast<double>(i / 400);
    float* p = picture.points.data<float>() + i * 4;
    p[0] = static_cast<float>(radius * std::cos(angle));
    p[1] = static_cast<float>(radius * std::sin(angle));
    p[2] = static_cast<float>(0.3 * static_cast<double>(i / 400) - 0.4);
    p[3] = 0.5f;
  }
  const char* titles[] = {"current", "0.7 s ago", "1.9 s ago", "3.3 s ago", "mixed"};
  picture.fusion_weights = Raster<float>(4, 56, 104, 0.25f);
  for (size_t k = 0; k < 5; ++k) {
    FeaturePanel panel{titles[k], Raster<float>(1, 56, 104)};
    for (int64_t r = 0; r < 56; ++r)
      for (int64_t c = 0; c < 104; ++c) {
        panel.norm.at(0, r, c) =
            static_cast<float>(2 + std::sin(0.2 * static_cast<double>(r + c) + static_cast<double>(k)));
        if (k > 0 && k < 4 && c > 104 - 8 * static_cast<int64_t>(k)) panel.norm.at(0, r, c) = NAN;
        if (k < 4) picture.fusion_weights.at(static_cast<int64_t>(k), r, c) = static_cast<float>(c) / 104.0f;
      }
    picture.features.push_back(std::move(panel));
  }
  picture.weight_titles = {"weight: current", "weight: 0.7 s", "weight: 1.9 s", "weight: 3.3 s"};
  return picture;
}

}  // namespace bevgrad
