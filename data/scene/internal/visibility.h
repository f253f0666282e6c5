// Which cells of the label raster a sensor sees now, and which were seen in the frames that temporal fusion looks back
// at.
#pragma once
#include <cstdint>
#include <deque>
#include <vector>

#include "data/label_schema.h"
#include "data/scene/surroundings.h"
#include "geometry/camera.h"

namespace bevgrad::scene {

/// rows x columns of 0 or 1.
using CellMask = std::vector<uint8_t>;

/// The cells of a raster that lie in a camera's picture, worked out once for a rig that stays as it is.
class CameraCoverage {
 public:
  CameraCoverage(const Camera& camera, const LabelGrid& grid);

  /// Sets those cells whose line of sight to the camera nothing crosses; what stands on the cell itself (within half a
  /// metre) does not count as in the way.
  void mark_visible(const SensorView& view, CellMask& mask) const;

 private:
  struct Cell {
    uint32_t index;
    int16_t bin;
    Direction offset;  // from the camera to the cell's centre on the ground
    float tolerance;   // share of the way at which a hit counts as the cell itself
  };
  std::vector<Cell> cells_;
};

/// Sets the cells in and right beside which there is a point.
void mark_points(const std::vector<Vec2>& points, const LabelGrid& grid, CellMask& mask);

/// Remembers what earlier frames saw.
class SeenWindow {
 public:
  /// Seconds to look back, and how far from that a frame may lie.
  SeenWindow(std::vector<double> intervals, double tolerance, const LabelGrid& grid);

  /// Cells seen now or in the window's frames: for each interval the stored frame closest to timestamp - interval
  /// within the tolerance (of two as close the newer), its mask warped by the poses, nearest cell. Then stores this
  /// frame.
  CellMask update(double timestamp, const Pose& pose, const CellMask& seen_now);

 private:
  struct Frame {
    double timestamp;
    Pose pose;
    CellMask seen;
  };
  std::vector<double> intervals_;
  double tolerance_;
  LabelGrid grid_;
  std::deque<Frame> frames_;
};

}  // namespace bevgrad::scene
