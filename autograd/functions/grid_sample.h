// PyTorch's grid_sample.
#pragma once
#include "autograd/autograd.h"

namespace bevgrad {

/// Nearest rounds half to even, as PyTorch does.
enum class Interpolation { Nearest, Bilinear };

/// What lies beyond the border: zeros, the border itself, or the map's reflection (in its border pixels' centres with
/// align_corners, else in their outer edges).
enum class GridPadding { Zeros, Border, Reflection };

/// torch.nn.functional.grid_sample: x [N,C,H,W]; grid [N,OH,OW,2] holds (x, y), from -1 to 1 over the map's outer
/// edges, with align_corners over its border pixels' centres; float32 or float64 -> [N,C,OH,OW]. Differentiable in x
/// and in the grid (0 for the grid with Nearest, and where a position was brought back to the border).
Tensor grid_sample(const Tensor& x, const Tensor& grid, Interpolation mode = Interpolation::Bilinear,
                   GridPadding padding_mode = GridPadding::Zeros, bool align_corners = false);

}  // namespace bevgrad
