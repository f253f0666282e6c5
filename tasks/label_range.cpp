#include "tasks/label_range.h"

namespace bevgrad {

LabelGrid label_range(const config::Grid& grid) {
  const auto& range = grid.pc_range();
  return {.x_min = range[0],
          .y_min = range[1],
          .z_min = range[2],
          .x_max = range[3],
          .y_max = range[4],
          .z_max = range[5],
          .cell = grid.bev_cell() / 4};
}

}  // namespace bevgrad
