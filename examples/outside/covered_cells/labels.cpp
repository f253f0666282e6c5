#include "covered_cells/labels.h"

#include <algorithm>
#include <cmath>

namespace lab {

using namespace bevgrad;

Tensor covered_labels(const Batch& batch, const config::Grid& grid, int64_t rows, int64_t columns) {
  const Tensor labels = zeros({batch.size(), 1, rows, columns}, {.dtype = DType::UInt8});
  for (int64_t n = 0; n < batch.size(); ++n) {
    uint8_t* cells = labels.data<uint8_t>() + n * rows * columns;
    if (!batch.has_boxes[static_cast<size_t>(n)]) std::fill(cells, cells + rows * columns, uint8_t{kIgnoredTarget});
    for (const Box3d& box : batch.boxes[static_cast<size_t>(n)]) {
      for (int64_t i = 0; i < rows * columns; ++i) {
        const double x = grid.pc_range(0) + (static_cast<double>(i % columns) + 0.5) * grid.bev_cell() - box.x;
        const double y = grid.pc_range(1) + (static_cast<double>(i / columns) + 0.5) * grid.bev_cell() - box.y;
        const double along = std::cos(box.yaw) * x + std::sin(box.yaw) * y;
        const double across = std::cos(box.yaw) * y - std::sin(box.yaw) * x;
        if (std::abs(along) <= box.l / 2 && std::abs(across) <= box.w / 2) cells[i] = 1;
      }
    }
  }
  return labels;
}

}  // namespace lab
