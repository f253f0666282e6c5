// A smooth curve through the middle of a raster mark.
#pragma once
#include <vector>

#include "geometry/vector.h"

namespace bevgrad {

/// `points`: middles of a thinned mark's cells, `cell` metres wide, in order; closed where the first is the last.
/// Equally spaced points of the curve that minimises the squared distance from the mark plus squared second differences
/// (Whittaker; Eilers, "A perfect smoother", 2003): waves shorter than 4 m, which the raster's stairs and ragged edges
/// make, go, longer ones stay. Where it bends more sharply than a radius of 2 m it is stiffened, as long as it stays
/// within a cell and a half of the mark. The last cells of an end, which thinning bends towards a corner of the mark,
/// say little of its direction.
std::vector<Vec2> fitted_line(const std::vector<Vec2>& points, double cell);

}  // namespace bevgrad
