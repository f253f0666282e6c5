// From a lane raster to polylines: threshold, thinning, tracing, a class by vote, a smooth curve, resampling.
#pragma once
#include <span>
#include <vector>

#include "data/label_schema.h"
#include "evaluation/raster.h"
#include "geometry/vector.h"

namespace bevgrad {

struct LaneVectorOptions {
  float threshold = 0.3f;   ///< a cell belongs to a mark where its most likely class reaches it
  int points = 10;          ///< per polyline, at equal arc length
  double min_length = 1.0;  ///< metres; shorter pieces and side branches are dropped
};

/// One lane mark. Points are metres in the ego frame and run away from the end that lies further back (smaller x; then
/// smaller y). `score` is the mean probability of its class over its cells.
struct LaneVector {
  int64_t class_id = 0;
  double score = 0;
  std::vector<Vec2> points;
};

/// Chains of cells of a thinned mask, in order: 8-connected (a diagonal step only where no straight way round exists),
/// split where three or more meet, side branches and pieces shorter than `min_cells` steps dropped, loops closed (first
/// cell repeated). Cells are row-major indices.
std::vector<std::vector<int64_t>> trace_chains(std::span<const uint8_t> thin, int64_t rows, int64_t columns,
                                               double min_cells);

/// Lane marks of probabilities [classes,H,W] on the grid.
std::vector<LaneVector> lane_vectors(const ProbabilityRaster& probabilities, const LabelGrid& grid,
                                     const LaneVectorOptions& options = {});
/// The same of a label raster (1 is certain, 0 and 255 are not there).
std::vector<LaneVector> lane_vectors(const LabelRaster& labels, const LabelGrid& grid,
                                     const LaneVectorOptions& options = {});

/// Symmetric Chamfer distance in metres between two polylines, each resampled to `samples` points first: half the sum
/// of both mean nearest-point distances.
double chamfer_distance(std::span<const Vec2> a, std::span<const Vec2> b, int samples = 100);

}  // namespace bevgrad
