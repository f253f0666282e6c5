// A whole drive as one map: every frame's predicted cells (or labels) laid into the world by the vehicle's poses.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "data/label_schema.h"
#include "drawing/canvas.h"
#include "evaluation/raster.h"
#include "geometry/pose.h"

namespace bevgrad {

/// Per place it counts how often each class was predicted and how often the place was in view at all. Memory goes by
/// the area that was driven through, in tiles; places beyond `max_tiles` are left out.
class StitchedMap {
 public:
  explicit StitchedMap(LabelSchema labels, size_t max_tiles = 4096);

  /// Cells whose probability reaches the threshold vote for their class. Each empty raster is left out.
  void add(const ProbabilityRaster& lane, const ProbabilityRaster& road, float lane_threshold, float road_threshold,
           const Pose& ego_pose);
  void add(const LabelRaster& lane, const LabelRaster& road, const Pose& ego_pose);

  struct Place {
    int seen = 0;       ///< frames that had it in view, at most 255
    int class_id = -1;  ///< the class (lanes first, then road) with most votes, where they are at least half of `seen`
  };
  Place at(Vec2 world) const;
  bool truncated() const { return truncated_; }

  /// The map with north (world y) up, the drive as a line, a scale bar and the legend; the longer side takes `pixels`.
  Canvas draw(int pixels = 1400) const;

 private:
  static constexpr int64_t kTile = 128;  ///< cells a side
  struct Tile {
    std::vector<uint8_t> votes;  ///< [cell][class]
    std::vector<uint8_t> seen;   ///< [cell]
  };
  template <class Present>
  void lay(int64_t rows, int64_t columns, const Pose& ego_pose, Present present);
  Place place(const Tile& tile, int64_t cell) const;

  LabelSchema labels_;
  size_t max_tiles_;
  size_t classes_;
  bool truncated_ = false;
  std::map<std::pair<int64_t, int64_t>, Tile> tiles_;
  std::vector<Vec2> drive_;
};

}  // namespace bevgrad
