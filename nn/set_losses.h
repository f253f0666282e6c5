// Losses between sets: matching, point clouds, embeddings.
#pragma once
#include <vector>

#include "nn/common_losses.h"

namespace bevgrad {

/// Pairs of a row and a column of a matrix, each once at most, whose costs add up to the least (the Hungarian method in
/// the form of Jonker and Volgenant, 1987): min(rows, columns) pairs by rising row. Infinite costs forbid a pair.
struct Assignment {
  Tensor rows, columns;  ///< int64 [pairs], on the CPU
};
/// cost: [rows,columns] of a floating dtype, NaN an error; Error where the forbidden pairs leave no full matching. No
/// gradient flows through the choice; a loss gathers what was chosen:
///   const auto [q, t] = linear_sum_assignment(cost);
///   l1_loss(index_select(boxes, 0, q), index_select(targets, 0, t))
Assignment linear_sum_assignment(const Tensor& cost);

/// The mean over the points of x of the squared distance to the nearest of y, plus the other way round, averaged over
/// the batch: x [N,P,D], y [N,Q,D], P and Q above 0. The distances [N,P,Q] are in memory.
Tensor chamfer_distance(const Tensor& x, const Tensor& y);

/// InfoNCE (van den Oord et al., 2018) as SimCLR and CLIP use it: the cross-entropy of the cosine similarities of
/// queries [N,D] and keys [N,D], over temperature, whose right key is the one in the query's place; symmetric: the mean
/// of that and of the keys' for their queries.
Tensor info_nce_loss(const Tensor& queries, const Tensor& keys, double temperature = 0.07, bool symmetric = false);

}  // namespace bevgrad
