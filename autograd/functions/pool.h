// Pooling of activations [N,C,H,W], float32, bfloat16 or float64, as PyTorch has it.
#pragma once
#include <optional>

#include "autograd/autograd.h"
#include "tensor/pair.h"

namespace bevgrad {

struct Pool2dOptions {
  Pair kernel = 2;
  /// The kernel's size where it is not given.
  std::optional<Pair> stride = {};
  /// At most half the kernel.
  Pair padding = 0;
  Pair dilation = 1;
  /// Sizes are rounded up: the last windows may reach over the end, but begin within the input or its left padding.
  bool ceil_mode = false;
};

/// Maximum over windows: padding counts as -infinity, sizes round down unless ceil_mode says otherwise, the gradient
/// goes to the first of equal maxima, a NaN wins.
Tensor max_pool2d(const Tensor& x, const Pool2dOptions& options = {});

struct AvgPool2dOptions {
  Pair kernel = 2;
  std::optional<Pair> stride = {};
  Pair padding = 0;
  bool ceil_mode = false;
  /// Whether padding counts in what the sum is divided by; what ceil_mode adds beyond it does not.
  bool count_include_pad = true;
  /// Divides every sum, if given.
  std::optional<int> divisor_override = {};
};

/// Mean over windows.
Tensor avg_pool2d(const Tensor& x, const AvgPool2dOptions& options = {});

/// Mean and maximum over `size` windows that cover x: window i of a dimension begins at floor(i H / OH) and ends at
/// ceil((i + 1) H / OH). The maximum's gradient goes to the first of equal ones.
Tensor adaptive_avg_pool2d(const Tensor& x, Pair size);
Tensor adaptive_max_pool2d(const Tensor& x, Pair size);

}  // namespace bevgrad
