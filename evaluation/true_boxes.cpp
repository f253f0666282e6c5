#include "evaluation/true_boxes.h"

namespace bevgrad {

bool is_in_range(const Box3d& box, const LabelGrid& grid) {
  return box.x >= grid.x_min && box.x < grid.x_max && box.y >= grid.y_min && box.y < grid.y_max &&
         box.z >= grid.z_min && box.z < grid.z_max;
}

bool is_true_box(const Box3d& box, const LabelGrid& grid) {
  return is_in_range(box, grid) && box.num_lidar_points != 0;
}

}  // namespace bevgrad
