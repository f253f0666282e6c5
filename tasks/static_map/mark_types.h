// Which type the marks of a raster are, for a loss of the type alone.
#pragma once
#include <vector>

#include "tensor/tensor.h"

namespace bevgrad {

struct MarkTypes {
  Tensor cells;    ///< int64 [M], flat indices (n * H + row) * W + column
  Tensor targets;  ///< float64 [M,C]
};

/// Cells of `labels` (uint8 [N,C,H,W] on the CPU) that some class marks and none ignores. The classes that mark a cell
/// share it evenly, each times its weight (`class_weights`: one a class, or empty for 1).
MarkTypes mark_types(const Tensor& labels, const std::vector<double>& class_weights);

}  // namespace bevgrad
