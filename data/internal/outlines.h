// The outlines of marked cells as polygons.
#pragma once
#include <cstdint>
#include <vector>

#include "geometry/vector.h"

namespace bevgrad {

/// Closed rings around the cells that are not 0 of a raster [rows, columns], in units of cells: cell (r, c) reaches
/// from (c, r) to (c + 1, r + 1). Marked cells lie to the left of a ring, so that outer rings run counter-clockwise and
/// holes the other way; cells that touch at a corner belong to different rings. Rings are simplified by at most
/// `tolerance` cells.
std::vector<std::vector<Vec2>> cell_outlines(const std::vector<uint8_t>& cells, int64_t rows, int64_t columns,
                                             double tolerance);

}  // namespace bevgrad
