// The plan of a street, which its builder draws up and its traffic keeps to.
#pragma once
#include <algorithm>
#include <vector>

#include "scene/internal/layout_parts.h"

namespace bevgrad::scene {

/// One side of the road; shifts are measured outwards and multiplied by `sign` (+1 left, -1 right).
struct StreetSide {
  double sign = 1;
  int lanes = 1;
  double edge = 0;      ///< shift of the outermost lane's edge
  double curb = 0;      ///< shift of the curb
  double sidewalk = 3;  ///< width
  bool has_slots = false;
  /// Stretches of road where a side road or a driveway leaves: no curb, no wall, nothing parked.
  struct Opening {
    double from, to;
  };
  std::vector<Opening> openings;

  bool is_open(double from, double to) const {
    return std::any_of(openings.begin(), openings.end(), [&](const Opening& o) { return from < o.to && to > o.from; });
  }
};

struct Street {
  Ribbon road;
  double start = 0;  ///< arc length at which the ego begins
  double total = 0;  ///< length of the road
  double lane_width = 3.2;
  double junction = 0;  ///< arc length of the junction, 0: none
  int ego_lane = 0;     ///< counted from the middle
  StreetSide sides[2];  ///< right, left
};

/// Parks cars, furnishes the sidewalks and lets traffic drive.
void populate_street(const LayoutOptions& options, const Street& street, Random random, Layout& layout);

}  // namespace bevgrad::scene
