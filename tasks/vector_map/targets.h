// The vectors that are learned: what of the labelled shapes lies in the grid, as points at equal distances.
#pragma once
#include <vector>

#include "data/batch.h"
#include "tasks/vector_map/options.h"

namespace bevgrad {

struct VectorTarget {
  int64_t class_id = 0;      ///< of VectorClasses
  bool closed = false;       ///< the last point is the first, so that a query says by its points that it is closed
  std::vector<Vec2> points;  ///< from 0 to 1 over the grid
};

/// Of sample `n`. Where the record has lane marks in its raster and no shape of any, they are traced from the raster. A
/// vector of which fewer than half the points lie in cells that count (255: never seen) is left out.
std::vector<VectorTarget> vector_targets(const Batch& batch, int64_t n, const VectorClasses& classes,
                                         const LabelGrid& grid, int64_t points);

/// Which classes sample `n` labels.
std::vector<bool> labelled_classes(const Batch& batch, int64_t n, const VectorClasses& classes);

/// The same points in every order that a vector may be read in: forwards and backwards, from each point if closed.
std::vector<std::vector<Vec2>> equivalent_orders(const VectorTarget& target);

/// Whether more than half of the points, in metres, lie in cells of the class that do not count.
bool is_ignored(const Batch& batch, int64_t n, int64_t class_id, const std::vector<Vec2>& points,
                const VectorClasses& classes, const LabelGrid& grid);

Vec2 to_metres(Vec2 place, const LabelGrid& grid);

}  // namespace bevgrad
