// What heat-map heads learn: Gaussians at the objects' centres, and the numbers to regress there.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "data/batch.h"
#include "tensor/tensor.h"

namespace bevgrad {

/// The cells of a head's maps: row = y, column = x.
struct CentreGrid {
  double x_min = 0, y_min = 0;
  double cell = 0;
  int64_t rows = 0, columns = 0;
};

struct CentreTargets {
  Tensor heatmap;  ///< float32 [N,K,rows,columns], channels-last; 1 at a centre, -1 (ignored) in samples without labels
  Tensor cells;    ///< int64 [M]: flat index (n * rows + row) * columns + column of every object within the grid
  Tensor values;   ///< float32 [M,C], NaN where a number is not known
};

/// Radius in cells within which a box of `width` x `height` cells, moved there, still overlaps itself by `min_overlap`
/// (Law and Deng, "CornerNet", ECCV 2018, as mmdetection3d computes it).
double gaussian_radius(double width, double height, double min_overlap);

/// For the static head: values dx, dy (cells from the centre of the peak's cell), log w, log h, sin, cos. Throws for a
/// class at or past `classes` or a size that is not positive, naming the sample's key.
CentreTargets instance_targets(const Batch& batch, const CentreGrid& grid, int64_t classes,
                               const std::vector<bool>& symmetric);

/// For the dynamic head, in the order of kDynamicMaps: reg (cells from the peak's cell corner), height (centre z),
/// dim (log l, w, h), rot (sin, cos), vel (NaN where the box has none). Boxes that are no true boxes of `range`
/// (train/true_boxes.h) are left out.
CentreTargets box_targets(const Batch& batch, const CentreGrid& grid, int64_t classes, const LabelGrid& range);

/// A regressed map of the dynamic head and its channels.
struct DynamicMap {
  const char* name;
  int64_t first;
  int64_t channels;
};
inline constexpr DynamicMap kDynamicMaps[] = {
    {"reg", 0, 2}, {"height", 2, 1}, {"dim", 3, 3}, {"rot", 6, 2}, {"vel", 8, 2}};

}  // namespace bevgrad
