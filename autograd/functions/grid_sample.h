// PyTorch's grid_sample.
#pragma once
#include "autograd/autograd.h"

namespace bevgrad {

/// Nearest rounds half to even, as PyTorch does.
enum class Interpolation { Nearest, Bilinear };

/// torch.nn.functional.grid_sample with align_corners=False and zero padding. x [N,C,H,W]; grid [N,OH,OW,2] holds (x,
/// y) in [-1, 1] over the map's outer edges, float32 or float64 -> [N,C,OH,OW]. Differentiable in x; a grid that
/// requires a gradient is an error.
Tensor grid_sample(const Tensor& x, const Tensor& grid, Interpolation mode);

}  // namespace bevgrad
