#include "internal/synthetic.h"

#include <cmath>

#include "tensor/ops.h"
#include "train/options/from_config.h"

namespace bevgrad {
namespace {

/// Cameras around the vehicle, each at its group's size.
std::vector<Camera> mounted_cameras(const config::Config& proto) {
  std::vector<Camera> cameras;
  for (const config::CameraGroup& group : proto.sensors().groups()) {
    for (const config::Camera& camera : group.cameras()) {
      Camera mounted = configs::rig_camera(group, camera);
      const double fx = static_cast<double>(group.width()) / mounted.width;
      const double fy = static_cast<double>(group.height()) / mounted.height;
      mounted.fx *= fx, mounted.cx = (mounted.cx + 0.5) * fx - 0.5;
      mounted.fy *= fy, mounted.cy = (mounted.cy + 0.5) * fy - 0.5;
      mounted.width = group.width(), mounted.height = group.height();
      cameras.push_back(mounted);
    }
  }
  return cameras;
}

/// Denser near the vehicle, as a LiDAR's.
Tensor cloud(int64_t points, Generator& generator) {
  const Tensor cloud = generator.normal({points, 4});
  float* p = cloud.data<float>();
  for (int64_t i = 0; i < points; ++i) {
    p[i * 4] = p[i * 4] * 15 + 15;
    p[i * 4 + 1] *= 10;
    p[i * 4 + 2] = std::abs(p[i * 4 + 2]) * 0.7f;
  }
  return cloud;
}

/// One in fifty cells is marked.
Tensor marks(const Shape& sizes, Generator& generator) {
  const Tensor raster = zeros(sizes, {.dtype = DType::UInt8});
  uint8_t* cells = raster.data<uint8_t>();
  for (int64_t i = 0; i < raster.numel(); i += 50)
    cells[i + static_cast<int64_t>(generator.next_below(50)) % std::min<int64_t>(50, raster.numel() - i)] = 1;
  return raster;
}

}  // namespace

Batch synthetic_batch(const configs::Document& document, int64_t samples, bool sensors, Generator& generator) {
  const config::Config& proto = document.proto;
  const LabelSchema schema = configs::label_schema(proto);
  Batch batch;
  if (sensors) {
    for (const config::CameraGroup& group : proto.sensors().groups())
      batch.images.push_back(ops::contiguous(
          ops::to(generator.uniform({samples * group.cameras_size(), 3, group.height(), group.width()}, 0, 256),
                  DType::UInt8),
          MemoryFormat::ChannelsLast));
  }
  const int64_t rows = schema.grid.rows(), columns = schema.grid.columns();
  for (int64_t n = 0; n < samples; ++n) {
    if (sensors) {
      batch.cameras.push_back(mounted_cameras(proto));
      batch.points.push_back(cloud(proto.generator().lidar_points(), generator));
    }
    batch.ego_poses.push_back(Pose::from_yaw(static_cast<double>(n), 0, 0, 0.1));
    batch.timestamps.push_back(10.0);
    batch.sequences.push_back(n);
    batch.starts.push_back(true);
    batch.keys.push_back(fmt::format("synthetic {}", n));
    batch.datasets.emplace_back("synthetic");
    batch.has_instances.push_back(true);
    batch.has_boxes.push_back(true);
    std::vector<Instance> instances;
    std::vector<Box3d> boxes;
    for (int i = 0; i < 12; ++i) {
      const double x = schema.grid.x_min + (schema.grid.x_max - schema.grid.x_min) * generator.next_uniform();
      const double y = schema.grid.y_min + (schema.grid.y_max - schema.grid.y_min) * generator.next_uniform();
      const auto instance_classes = static_cast<int>(schema.instance_classes.size());
      const auto box_classes = static_cast<int>(schema.dynamic_classes.size());
      if (instance_classes > 0)
        instances.push_back({.x = x, .y = y, .w = 3, .h = 2, .angle = 0.3, .class_id = i % instance_classes});
      if (box_classes > 0)
        boxes.push_back({.x = x, .y = y, .z = 1, .l = 4, .w = 2, .h = 1.5, .yaw = 0.3, .class_id = i % box_classes});
    }
    batch.instances.push_back(std::move(instances));
    batch.boxes.push_back(std::move(boxes));
  }
  batch.lane = marks({samples, static_cast<int64_t>(schema.lane_classes.size()), rows, columns}, generator);
  batch.road = marks({samples, static_cast<int64_t>(schema.road_classes.size()), rows, columns}, generator);
  return batch;
}

History synthetic_history(const config::Config& proto, const Shape& feature, DType dtype, Generator& generator) {
  const HistoryOptions options = configs::history_options(proto);
  History history = blank_history(feature[0], options);
  for (int64_t n = 0; n < feature[0]; ++n) {
    for (size_t k = 0; k < options.intervals.size(); ++k) {
      const Pose now = Pose::from_yaw(100, 20, 0, 0.2);
      const Pose then = Pose::from_yaw(100 - 5 * options.intervals[k], 19.5, 0, 0.15);
      const Tensor into = place_history(history, n, static_cast<int64_t>(k), now, then,
                                        {feature[1], feature[2], feature[3]}, {.dtype = dtype}, options);
      ops::copy_(into, generator.uniform({feature[1], feature[2], feature[3]}));
    }
  }
  return history;
}

}  // namespace bevgrad
