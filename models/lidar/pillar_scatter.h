// Pillars back to their places: mmdetection3d's PointPillarsScatter.
#pragma once
#include "models/blocks.h"
#include "models/lidar/pillars.h"

namespace bevgrad {

/// No parameters.
class PointPillarsScatter : public Module {
 public:
  explicit PointPillarsScatter(const BevGrid& grid) : rows_(grid.rows() * 4), columns_(grid.columns() * 4) {}
  /// features [pillars,C] -> [samples,C,rows,columns] at pillar resolution, 0 where there is no pillar.
  Tensor forward(const Tensor& features, const Pillars& pillars, int64_t samples);

 private:
  int64_t rows_, columns_;
};

}  // namespace bevgrad
