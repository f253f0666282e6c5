// One log of Argoverse 2's sensor dataset, as its folder lies on the disk.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/maps/vector_map.h"
#include "data/sample.h"
#include "geometry/camera.h"

namespace bevgrad {

/// A cuboid of the annotations, in the ego frame.
struct Av2Box {
  std::string category, track;
  Box3d box;  ///< without its class
};

/// Heights of the ground in a square raster over the city.
class Av2GroundHeight {
 public:
  /// `npy`: the raster; `placement`: the JSON that says where it lies.
  Av2GroundHeight(const std::string& npy, const std::string& placement);
  /// Nothing outside the raster and where it has no height.
  std::optional<double> at(double x, double y) const;

 private:
  std::vector<float> heights_;
  int64_t rows_ = 0, columns_ = 0;
  double scale_ = 1, rotation_[4] = {1, 0, 0, 1}, shift_[2] = {0, 0};
};

struct Av2Camera {
  Camera camera;                ///< sensor2ego as it is mounted
  std::vector<int64_t> images;  ///< times in nanoseconds, rising
};

struct Av2Log {
  std::string folder, name;
  std::vector<int64_t> sweeps;                   ///< nanoseconds, rising
  std::map<int64_t, Pose> poses;                 ///< ego -> city
  std::optional<Vec3> lidar;                     ///< the upper one, in the ego frame
  std::map<std::string, Av2Camera> cameras;      ///< those that have pictures
  std::map<int64_t, std::vector<Av2Box>> boxes;  ///< by sweep
  bool has_boxes = false;
  std::optional<VectorMap> map;
  std::string city;                         ///< as its map's file names it; empty where none does
  std::unique_ptr<Av2GroundHeight> ground;  ///< null where the log has none

  /// The pose at a time: the log's own, or between its neighbours. Throws for a time outside the log.
  Pose pose_at(int64_t nanoseconds) const;
};

/// Reads all but sweeps and pictures. Throws in one line, naming file and column, for what is missing or damaged.
Av2Log read_av2_log(const std::string& folder);

/// float32 [P,4]: x, y, z in the ego frame, intensity / 255.
Tensor read_av2_sweep(const Av2Log& log, int64_t sweep);

/// What a map of Argoverse 2 tells.
const std::vector<std::string>& av2_map_kinds();

/// Neutral features of a log's vector map: marked lane boundaries (each once, though two lanes share it), crossings,
/// drivable areas and their edges.
VectorMap read_av2_map(const std::string& path);

}  // namespace bevgrad
