// How often classes occur in a dataset's labels, and what may follow from it.
#pragma once
#include <cstdint>
#include <vector>

#include "data/dataset.h"

namespace bevgrad {

/// What one frame's labels hold of the schema's classes.
struct ClassContents {
  std::vector<int64_t> lane_cells, road_cells;  ///< marked cells of each class, as a training sees them
  std::vector<int64_t> instances, boxes;        ///< of each class
};

/// Reads the labels of entries, in their order.
std::vector<ClassContents> class_contents(const Dataset& dataset, const std::vector<int64_t>& entries);
/// Up to `most` entries, spread over the dataset; all for 0.
std::vector<int64_t> spread_entries(const Dataset& dataset, int64_t most);

/// One weight a class: (mean count / count)^power over the classes that occur, scaled so that these have a mean of 1; 1
/// for a class that does not occur. Power 1 makes every class's cells count the same in all, 0 changes nothing.
std::vector<double> weights_from_counts(const std::vector<int64_t>& counts, double power);

/// How often each frame is drawn in an epoch (Gupta, Dollar and Girshick, "LVIS", CVPR 2019): the largest over the
/// classes that it holds of max(1, sqrt(share / f)), where f is the share of frames that hold the class.
std::vector<double> repeat_factors(const std::vector<ClassContents>& frames, double share);

}  // namespace bevgrad
