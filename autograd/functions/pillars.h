// What a pillar encoder needs: the maximum over each pillar's points, and moving pillar rows to the cells of a map and
// back. Offsets and cells are tensors on the CPU, where they are checked, whatever device the data is on.
#pragma once
#include "autograd/autograd.h"

namespace bevgrad {

/// Maximum over runs of rows. x [rows, C]; offsets int64 [S+1], rising from 0 to the number of rows: segment s is rows
/// offsets[s] .. offsets[s+1]. -> [S, C].
/// `floor` [C] (optional) takes part in the maximum of every segment that has fewer than `slots` rows: the value of an
/// empty slot, to which the gradient flows where it wins. Without a floor an empty segment is an error.
/// Of equal maxima the first row gets the gradient, the floor only what exceeds every row.
Tensor segment_max(const Tensor& x, const Tensor& offsets, const Tensor& floor = {}, int64_t slots = 0);

/// Rows to cells: x [P, C], cells int64 [P], each the flat index (n * H + row) * W + column of a cell of its own
/// -> [N, C, H, W], channels-last, 0 where no row goes. A cell that is out of range or named twice is an error.
Tensor scatter_cells(const Tensor& x, const Tensor& cells, int64_t n, int64_t height, int64_t width);

/// Cells to rows: x [N, C, H, W], cells int64 [P] (repetitions allowed) -> [P, C].
Tensor gather_cells(const Tensor& x, const Tensor& cells);

}  // namespace bevgrad
