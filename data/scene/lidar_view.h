// A spinning LiDAR: its beams, and the points that it measures.
#pragma once
#include <cstdint>
#include <vector>

#include "data/scene/random.h"
#include "data/scene/surroundings.h"

namespace bevgrad::scene {

struct LidarOptions {
  int beams = 32;
  int points = 50000;  ///< rays a turn: points / beams azimuths
  Vec3 position = {1.2, 0, 1.95};
  double range = 80;          ///< metres
  double range_noise = 0.02;  ///< standard deviation, metres
  double drop_out = 0.02;     ///< share of returns that is lost anyhow; dark and grazing surfaces lose more
};

struct LidarScan {
  std::vector<float> points;         ///< x, y, z in the ego frame, intensity 0..1; four a point
  std::vector<int> hits;             ///< returns an actor of the drive
  std::vector<Vec2> static_returns;  ///< where the ground, a curb, a wall or a column was measured
};

class LidarView {
 public:
  /// Three quarters of the beams hit the ground in rings whose radii grow geometrically from 3 m to 70 m; the others
  /// look from just below the horizon to 8 degrees above.
  explicit LidarView(const LidarOptions& options);

  const LidarOptions& options() const { return options_; }

  /// Intensity is the surface's albedo times the cosine of incidence; paint with its glass beads sends more of the
  /// light straight back, so that only the cosine's cube root dims it.
  LidarScan scan(const Surroundings& world, const SensorView& view, size_t actors, Random random) const;

 private:
  LidarOptions options_;
  std::vector<Direction> rays_;  // azimuth by azimuth
  std::vector<int16_t> bins_;
};

}  // namespace bevgrad::scene
