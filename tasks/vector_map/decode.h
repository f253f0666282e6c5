// Vectors from the head's maps.
#pragma once
#include <vector>

#include "evaluation/lane_vectors.h"
#include "models/network_output.h"
#include "nn/module.h"
#include "tasks/vector_map/options.h"

namespace bevgrad {

/// The last layer's vectors of sample `n` whose best class reaches the threshold, best first, each of `points` points
/// in metres of the ego frame. Those that are not finite are left out.
std::vector<LaneVector> found_vectors(const NetworkOutput& output, int64_t n, const LabelGrid& grid, int points,
                                      double threshold);

/// What is judged, as MapTR's decoder: the pairs of a vector and a class with the highest scores, as many as there are
/// vectors, best first.
std::vector<LaneVector> judged_vectors(const NetworkOutput& output, int64_t n, const LabelGrid& grid, int points);

/// The found vectors of all samples for `predict`, rows best first: "vectors" [N,max,points,2], "vector_scores" [N,max]
/// and "vector_classes" [N,max]; unused rows are NaN with class -1.
NamedTensors vector_tables(const NetworkOutput& output, const LabelGrid& grid, int points, double threshold);

}  // namespace bevgrad
