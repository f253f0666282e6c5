// What the vectors' queries learn: each labelled vector is matched to the query that costs least.
#pragma once
#include "tasks/task.h"
#include "tasks/vector_map/options.h"
#include "tasks/vector_map/targets.h"

namespace bevgrad {

/// Weights of the losses; the first two are also those of the costs.
struct VectorLossWeights {
  double focal = 2, point_l1 = 5, direction = 0.005, edge = 0;
};

/// A target and the query that is to become it, with its points in the order that is nearest to the query's.
struct VectorMatch {
  int64_t query = 0, target = 0;
  std::vector<Vec2> points;
};

/// The matching of least cost between the queries of one sample and layer and its targets: logits [vectors,classes],
/// points [vectors,points,2], on the CPU. The cost of a pair is MapTR's: the focal loss of its class less that of the
/// background, and the L1 distance of the points in the nearest equivalent order, summed over them. None where a value
/// is not finite.
std::vector<VectorMatch> match_vectors(const Tensor& logits, const Tensor& points,
                                       const std::vector<VectorTarget>& targets, const VectorLossWeights& weights);

/// "focal" of the classes (those that a sample does not label are ignored), "points" (L1 of places from 0 to 1, summed
/// over a vector's points), "direction" (1 - cosine of the edges in metres, summed) and "edge" (L1 of the edges, in the
/// points' units, summed), divided by the number of matched vectors, summed over the layers.
std::vector<LossTerm> vector_losses(const NetworkOutput& output, const Batch& batch, const VectorClasses& classes,
                                    const LabelGrid& grid, const VectorLossWeights& weights);

}  // namespace bevgrad
