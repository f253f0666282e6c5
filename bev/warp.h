// The warp of a bird's-eye-view feature into another ego frame.
#pragma once
#include "autograd/functions/grid_sample.h"

namespace bevgrad {

/// The metric range that a bird's-eye-view map covers: columns run along x, rows along y, cell 0 at the minimum.
struct BevRange {
  double x_min = 0, y_min = 0, x_max = 0, y_max = 0;
};

/// x [N,C,H,W] in the history's ego frame -> the same map in the current one. matrices [N,2,3] (float64) take a point
/// (x, y, 1) of the current frame, in metres, to the history's. Coordinates are computed in float64; otherwise as
/// grid_sample.
Tensor warp_bev(const Tensor& x, const Tensor& matrices, const BevRange& range, Interpolation mode);

/// Bool [N,1,rows,columns]: whether the point that a cell's centre is taken to lies within the range (edges included).
Tensor warp_mask(const Tensor& matrices, const BevRange& range, int64_t rows, int64_t columns);

}  // namespace bevgrad
