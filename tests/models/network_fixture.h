// The tiny network of tests/golden/models/make_goldens.py, and its inputs.
#pragma once
#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "models/network.h"
#include "support/golden.h"
#include "tasks/dynamic_boxes/dynamic_head.h"
#include "tasks/static_map/static_head.h"

namespace bevgrad::testing {

inline NetworkOptions tiny_options() {
  NetworkOptions o;
  o.groups = {{"front", 1, 64, 96, {2, 3, 4}}, {"sides", 2, 64, 64, {3, 4}}};
  o.backbone_width = 8;
  o.backbone_blocks = {2, 1, 1, 1};
  o.neck_channels = 6;
  o.bev_channels = 8;
  o.grid = {.x_min = -3.2, .y_min = -3.2, .z_min = -3.0, .x_max = 6.4, .y_max = 3.2, .z_max = 5.0, .cell = 0.8};
  o.lidar = {.max_points = 4,
             .max_pillars = 60,
             .vfe_channels = 5,
             .legacy = false,
             .layers = {1, 0, 2},
             .channels = {6, 7, 8},
             .neck_channels = 4};
  o.enable_static_temporal = true;
  o.use_backbone_amp = false;
  return o;
}

inline HeadSpec static_head_spec(const StaticHeadOptions& options) {
  return {"bev_static_head", kBevTemporal, [options](int64_t channels, Generator& generator) {
            return std::make_unique<StaticHead>(channels, options, generator);
          }};
}

inline HeadSpec dynamic_head_spec(const DynamicHeadOptions& options) {
  return {"bev_dynamic_head", kBevFused, [options](int64_t channels, Generator& generator) {
            return std::make_unique<DynamicHead>(channels, options, generator);
          }};
}

inline NetworkParts tiny_parts(bool dynamic = true) {
  NetworkParts parts;
  parts.heads = {
      static_head_spec(
          {.up1_channels = 6, .up2_channels = 5, .lane_classes = 3, .road_classes = 2, .instance_classes = 2}),
      dynamic_head_spec({.channels = 6, .classes = 3})};
  if (!dynamic) parts.heads[1].make = nullptr;
  return parts;
}

/// One camera of a golden file's "rig".
inline Camera golden_camera(const Tensor& row) {
  const std::vector<double> v = row.to_vector();
  Camera camera;
  camera.kind = v[0] != 0 ? CameraKind::Fisheye : CameraKind::Pinhole;
  camera.width = static_cast<int>(v[1]);
  camera.height = static_cast<int>(v[2]);
  camera.fx = v[3], camera.fy = v[4], camera.cx = v[5], camera.cy = v[6];
  for (size_t i = 0; i < 5; ++i) camera.distortion[i] = v[7 + i];
  camera.fov = v[12];
  for (size_t i = 0; i < 16; ++i) camera.sensor2ego.m[i] = v[13 + i];
  return camera;
}

inline Tensor golden_points(const std::string& name, int64_t count) {
  std::vector<double> v = golden_numbers(name, count * 4);
  const double scale[4] = {5.2, 3.4, 4.5, 0.5}, shift[4] = {1.6, 0, 1, 0.5};
  for (size_t i = 0; i < v.size(); ++i) v[i] = v[i] * std::abs(v[i]) * scale[i % 4] + shift[i % 4];
  return from_values(v, {count, 4});
}

/// Two samples.
inline NetworkInput golden_input(const NetworkOptions& options, const std::map<std::string, Tensor>& golden) {
  NetworkInput input;
  for (size_t g = 0; g < options.groups.size(); ++g) {
    const CameraGroupNetwork& group = options.groups[g];
    input.images.push_back(
        golden_tensor(fmt::format("images.{}", g), {2 * group.num_cameras, 3, group.height, group.width}));
  }
  const Tensor& rig = golden.at("rig");
  std::vector<Camera> cameras;
  for (int64_t i = 0; i < rig.size(0); ++i) cameras.push_back(golden_camera(ops::select(rig, 0, i)));
  input.cameras = {cameras, cameras};
  for (int n = 0; n < 2; ++n) input.points.push_back(golden_points(fmt::format("points.{}", n), 300));
  return input;
}

inline History golden_history(const NetworkOptions& options, const std::map<std::string, Tensor>& golden) {
  History history;
  for (int k = 0; k < 3; ++k)
    history.prev_feat_list.push_back(golden_tensor(
        fmt::format("history.{}", k), {2, options.bev_channels, options.grid.rows(), options.grid.columns()}));
  history.feature_warp_matrix = ops::to(golden.at("matrices"), DType::Float64);
  history.valid = ops::to(golden.at("valid"), DType::UInt8);
  return history;
}

inline std::map<std::string, Tensor> named_maps(const NetworkOutput& out) {
  std::map<std::string, Tensor> maps;
  for (const NetworkMap& entry : out) maps[entry.name] = entry.map;
  return maps;
}

}  // namespace bevgrad::testing
