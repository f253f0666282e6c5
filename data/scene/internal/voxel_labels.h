// What fills the voxels around the vehicle, and which of them the sensors see.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

#include "data/label_schema.h"
#include "data/sample.h"
#include "data/scene/drive.h"
#include "data/scene/lidar_view.h"
#include "data/scene/surroundings.h"
#include "geometry/camera.h"

namespace bevgrad::scene {

/// Of a drive's frames. Classes are the schema's; what has a class that the schema lacks is not known (255).
class VoxelLabels {
 public:
  VoxelLabels(const Layout& layout, const LabelSchema& schema, const std::vector<Camera>& cameras);

  /// A voxel is of the solid that fills most of it, if at least a hundredth, else of the ground, where that passes
  /// through it ("road" where its centre is freespace, "ground" elsewhere), else free. The ceiling is a building. What
  /// lies below the ground or above the ceiling, and the vehicle's own body, is not known.
  Tensor labels(const Surroundings& world, const Drive& drive, const DriveFrame& frame) const;

  /// Voxels whose centre is in camera `camera`'s picture and that nothing hides, as far as the line of sight reaches
  /// them.
  void mark_seen(size_t camera, const SensorView& view, Tensor& seen) const;
  /// Voxels that the LiDAR's measured rays pass or end in.
  void mark_seen(const std::vector<float>& points, Vec3 lidar, Tensor& seen) const;

 private:
  struct Sight {
    uint32_t index;
    int16_t bin;
    Direction offset;  // from the camera to the voxel's centre
    float enter;       // share of the way at which the line of sight enters the voxel
  };
  std::vector<Sight> sights_of(const Camera& camera) const;
  uint8_t label_named(std::string_view name) const;
  uint8_t label_of(const Surroundings& world, const Drive& drive, size_t solid) const;
  void fill_ground(const DriveFrame& frame, uint8_t* level) const;

  VoxelGrid grid_;
  std::vector<std::string> classes_;
  double ceiling_;
  std::vector<std::vector<Vec2>> freespace_;  // polygons, world frame
  std::vector<std::vector<Sight>> sights_;    // a camera
};

}  // namespace bevgrad::scene
