// Rows of channels to the cells of a map and back. Cells are tensors on the CPU, where they are checked, whatever
// device the data is on.
#pragma once
#include "autograd/autograd.h"

namespace bevgrad {

/// Rows to cells: x [P, C], cells int64 [P], each the flat index (n * H + row) * W + column of a cell of its own
/// -> [N, C, H, W], channels-last, 0 where no row goes. A cell that is out of range or named twice is an error.
Tensor scatter_cells(const Tensor& x, const Tensor& cells, int64_t n, int64_t height, int64_t width);

/// Cells to rows: x [N, C, H, W], cells int64 [P] (repetitions allowed) -> [P, C].
Tensor gather_cells(const Tensor& x, const Tensor& cells);

}  // namespace bevgrad
