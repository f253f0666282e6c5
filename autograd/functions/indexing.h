// Choosing and adding elements by index. Indices are int64 on the device of the data; one that is out of range is an
// error that names it (a GPU's indices are brought to the host for that check).
#pragma once
#include <utility>
#include <vector>

#include "autograd/autograd.h"

namespace bevgrad {

/// y[i][j][k] = x[i][index[i][j][k]][k] for dim 1: index has x's rank and is no larger than x but along `dim`; y has
/// its sizes.
Tensor gather(const Tensor& x, int dim, const Tensor& index);
/// x plus source[i][j][k] at [i][index[i][j][k]][k] for dim 1, in the order of the source along `dim`. index and source
/// have one shape, no larger than x but along `dim`.
Tensor scatter_add(const Tensor& x, int dim, const Tensor& index, const Tensor& source);
/// x with source[i][j][k] written to [i][index[i][j][k]][k] for dim 1, shapes as scatter_add's. Of several for one
/// place the last along `dim` stays; the others get no gradient.
Tensor scatter(const Tensor& x, int dim, const Tensor& index, const Tensor& source);
/// x plus the entries of the source along `dim` at the places that index [n] names; the source has x's sizes but along
/// `dim`, n.
Tensor index_add(const Tensor& x, int dim, const Tensor& index, const Tensor& source);
/// The entries of `dim` that index [n] names, in its order, repetitions allowed.
Tensor index_select(const Tensor& x, int dim, const Tensor& index);
/// Rows of weight [entries, width] for indices of any shape -> [.., width]. Row `padding_index` (if not negative) gets
/// no gradient.
Tensor embedding(const Tensor& indices, const Tensor& weight, int64_t padding_index = -1);

struct SortResult {
  Tensor values, indices;
};
/// x sorted along `dim`, and where each value stood (int64). Equal values keep their order; NaN counts as the largest.
SortResult sort(const Tensor& x, int dim = -1, bool descending = false);
/// The `count` largest (or smallest) values along `dim`, sorted, and where they stood.
SortResult topk(const Tensor& x, int64_t count, int dim = -1, bool largest = true);

}  // namespace bevgrad
