// What a dataset is read as: cameras and their sizes, the raster's grid, and the classes. Plain values; configs/ fills
// them in from a configuration file.
#pragma once
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "base/full_size.h"
#include "geometry/camera.h"
#include "geometry/vector.h"

namespace bevgrad {

/// The label raster: x_min..x_max by y_min..y_max metres in the ego frame, cells of `cell` metres. Row = y, column = x.
struct LabelGrid {
  double x_min = full_size::kXMin, y_min = full_size::kYMin, z_min = full_size::kZMin;
  double x_max = full_size::kXMax, y_max = full_size::kYMax, z_max = full_size::kZMax;
  double cell = 0.2;

  /// 224 and 416 by default.
  int64_t rows() const;
  int64_t columns() const;
};

/// Voxels: cubes of `cell` metres in the ego frame. Level = z, row = y, column = x.
struct VoxelGrid {
  double x_min = full_size::kXMin, y_min = full_size::kYMin, z_min = -1;
  double cell = 0.4;
  int64_t levels = 16, rows = 112, columns = 208;

  bool operator==(const VoxelGrid&) const = default;
  int64_t count() const { return levels * rows * columns; }
  int64_t index(int64_t level, int64_t row, int64_t column) const { return (level * rows + row) * columns + column; }
  /// The middle of a voxel.
  Vec3 centre(int64_t level, int64_t row, int64_t column) const {
    const auto at = [&](int64_t i, double low) { return low + (static_cast<double>(i) + 0.5) * cell; };
    return {at(column, x_min), at(row, y_min), at(level, z_min)};
  }
  /// Of the level that holds a height; it may lie outside the grid.
  int64_t level_of(double z) const;
  /// One level's cells as a raster.
  LabelGrid ground() const;
};

/// Beside them free and unknown fit into a byte.
inline constexpr int kMostVoxelClasses = 250;

/// Something that one of some words says of an object: "turn_light" is off, left, right or hazard.
struct AttributeKind {
  std::string name;
  std::vector<std::string> values;
  std::vector<std::string> classes = {};  ///< of which it is said; empty: of all

  bool operator==(const AttributeKind&) const = default;
};
/// The kinds that the generator and the importers know.
std::vector<AttributeKind> known_box_attributes();
std::vector<AttributeKind> known_lane_attributes();
/// Of a value by its kind's and its own name; -1 in both places where there is none.
struct AttributePlace {
  int kind = -1, value = -1;
};
AttributePlace find_attribute(const std::vector<AttributeKind>& kinds, std::string_view kind, std::string_view value);
/// Puts a value into an object's attributes, where its kind and it are among the kinds.
void set_attribute(const std::vector<AttributeKind>& kinds, std::string_view kind, std::string_view value,
                   std::vector<int>* attributes);

/// Names of the classes, in the order of the network's channels.
struct LabelSchema {
  LabelGrid grid;
  std::vector<std::string> lane_classes{std::begin(full_size::kLaneClasses), std::end(full_size::kLaneClasses)};
  std::vector<std::string> road_classes{std::begin(full_size::kRoadClasses), std::end(full_size::kRoadClasses)};
  std::vector<std::string> instance_classes{std::begin(full_size::kInstanceClasses),
                                            std::end(full_size::kInstanceClasses)};
  std::vector<std::string> dynamic_classes{std::begin(full_size::kDynamicClasses),
                                           std::end(full_size::kDynamicClasses)};
  /// What voxels are labelled as; empty: their labels are neither read nor made.
  std::vector<std::string> voxel_classes = {};
  VoxelGrid voxels = {};
  /// What is said of boxes and of lane shapes; empty: it is neither read nor made.
  std::vector<AttributeKind> box_attributes = {}, lane_attributes = {};
};

/// Cameras that share a backbone; their images come out `height` x `width`.
struct CameraGroupOptions {
  std::string name;
  std::vector<std::string> cameras;
  int64_t height = 512;
  int64_t width = 960;
  /// What is masked of each camera besides what its records say, at height x width. Empty: nothing.
  std::vector<EgoMask> ego_masks = {};
};

/// How records are turned into samples.
struct DatasetOptions {
  std::vector<CameraGroupOptions> groups;
  LabelSchema labels;
  bool load_images = true;
  bool load_points = true;
  /// Images and rasters of a batch lie in page-locked memory, from which a GPU copies while the host goes on.
  bool pinned = false;
  /// Training: cells that no frame of the window has seen become 255 in the lane and road rasters.
  bool ignore_never_seen = false;
  /// Seconds between two frames of a sequence beyond which a new stream begins. 0: a gap never splits a sequence.
  double max_gap = 0;

  int64_t num_cameras() const;
  /// Throws UsageError where a group has no camera, a size is not positive, a name is given twice, or a grid is empty.
  void validate() const;
};

}  // namespace bevgrad
