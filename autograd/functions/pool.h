// Pooling.
#pragma once
#include "autograd/autograd.h"

namespace bevgrad {

struct Pool2dOptions {
  int kernel = 2;
  int stride = 2;
  int padding = 0;
};

/// Maximum over kernel x kernel windows of x [N,C,H,W], as in PyTorch: padding counts as -infinity and is at most half
/// the kernel (which is at most 15), sizes round down, the gradient goes to the first of equal maxima, a NaN wins.
Tensor max_pool2d(const Tensor& x, const Pool2dOptions& options = {});

}  // namespace bevgrad
