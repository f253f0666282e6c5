#include "models/lidar/pillar_scatter.h"

#include "autograd/functions/cells.h"

namespace bevgrad {

Tensor PointPillarsScatter::forward(const Tensor& features, const Pillars& pillars, int64_t samples) {
  return module_call(*this, [&] { return scatter_cells(features, pillars.cells, samples, rows_, columns_); });
}

}  // namespace bevgrad
