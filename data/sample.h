// One frame: what the cameras and the LiDAR saw at one moment, where the vehicle was, and the labels around it.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "geometry/camera.h"
#include "geometry/pose.h"
#include "geometry/vector.h"
#include "tensor/tensor.h"

namespace bevgrad {

/// Label rasters hold 0 (absent), 1 (present) or this: the loss and the metrics leave the cell out.
inline constexpr uint8_t kIgnoreLabel = 255;

/// One camera's picture. `camera` is the calibration at the picture's own size (camera.width x camera.height).
struct CameraImage {
  std::string name;
  Camera camera;
  Tensor image;  ///< uint8 [3,H,W] RGB; memory order H,W,C (strides 1, 3W, 3)
};

/// A lane mark or road element as a vector: a polyline, or a polygon where `closed` (the last point joins the first).
/// Points are metres in the sample's ego frame.
struct LabelShape {
  int class_id = 0;  ///< index into LabelSchema's lane_classes or road_classes
  bool closed = false;
  double width = 0;  ///< metres of the mark that a polyline is the middle of; 0: not known
  std::vector<Vec2> points;
  /// Of a lane shape: a number of a value of each of LabelSchema's lane_attributes, -1: not known. Empty: none is.
  std::vector<int> attributes = {};
};

/// A static instance as a rotated rectangle on the ground, in metres and radians in the sample's ego frame.
struct Instance {
  double x = 0, y = 0;
  double w = 0;  ///< extent along `angle`
  double h = 0;  ///< extent across it
  double angle = 0;
  int class_id = 0;
};

/// A 3-D box in the sample's ego frame: centre (z in the middle of the box), size along its own axes, yaw, velocity.
struct Box3d {
  double x = 0, y = 0, z = 0;
  double l = 0, w = 0, h = 0;  ///< metres along heading, across it, and up
  double yaw = 0;              ///< of the heading, in (-pi, pi]
  bool has_velocity = true;
  double vx = 0, vy = 0;  ///< m/s over the ground, along the ego frame's axes; 0 without has_velocity
  int class_id = 0;
  int num_lidar_points = -1;  ///< LiDAR returns inside; -1: not known
  /// A number of a value of each of LabelSchema's box_attributes, -1: not known. Empty: none is.
  std::vector<int> attributes = {};
  int64_t track = -1;  ///< the object's number within its sequence; -1: not known
};

/// A kind's value of an object's attributes; -1: not known.
inline int value_of(const std::vector<int>& attributes, size_t kind) {
  return kind < attributes.size() ? attributes[kind] : -1;
}

/// Layers of Labels::visibility.
enum VisibilityLayer { kSeenByCameraNow = 0, kSeenByLidarNow = 1, kSeenInWindow = 2, kVisibilityLayers = 3 };

/// Bits of Labels::voxels_seen.
inline constexpr uint8_t kVoxelSeenByCamera = 1, kVoxelSeenByLidar = 2;

/// Everything that is known to be true around the vehicle. Row = y, column = x. A class that
/// the record does not label is 255 in all of its cells.
struct Labels {
  Tensor lane;        ///< uint8 [lane classes,Hl,Wl]: 0, 1 or 255
  Tensor road;        ///< uint8 [road classes,Hl,Wl]: 0, 1 or 255
  Tensor visibility;  ///< uint8 [3,Hl,Wl]: 0 or 1, see VisibilityLayer; undefined where the record has none
  /// uint8 [levels,rows,columns] on LabelSchema's voxels: the number of a voxel class, that of all classes where the
  /// voxel is free, or 255; undefined: not labelled.
  Tensor voxels;
  Tensor voxels_seen;  ///< the same of bits, see kVoxelSeenByCamera; undefined: not known
  std::vector<LabelShape> lane_shapes;
  std::vector<LabelShape> road_shapes;
  bool has_instances = false;  ///< false: not labelled (which differs from "there are none")
  std::vector<Instance> instances;
  bool has_boxes = false;  ///< false: not labelled
  std::vector<Box3d> boxes;
};

struct Sample {
  std::string key;
  std::string dataset;  ///< name of the list group or val set that it was read for
  int64_t sequence = 0;
  double timestamp = 0;  ///< seconds
  std::string place;     ///< whose map the poses lead to; empty: not known
  Pose ego_pose;         ///< ego -> world, as the vehicle believes it
  Pose true_pose;        ///< ego -> world without the odometry's noise; equal to ego_pose where it is not known
  std::vector<CameraImage> cameras;  ///< in the config's order: group by group
  Tensor points;                     ///< float32 [P,4]: x,y,z in the ego frame, intensity in 0..1
  std::optional<Vec3> lidar;         ///< where it is in the ego frame, if that is known
  Labels labels;
};

}  // namespace bevgrad
