// How many LiDAR points a 3-D box holds: what tells whether boxes and points belong together.
#pragma once
#include <cstdint>

#include "data/sample.h"

namespace bevgrad {

/// Of `points` (float32 [P,4] in the box's frame), those in the box grown by `margin` on every side.
int64_t count_inside(const Box3d& box, const Tensor& points, double margin = 0);

/// What the boxes of a frame say and what is there, over all boxes whose number of points is known.
struct CountedPoints {
  int64_t counted = 0, found = 0;

  void add(const Box3d& box, const Tensor& points);
  /// At least four fifths of the points that were counted are there, or so few were that this says nothing.
  bool belong_together() const;
};

}  // namespace bevgrad
