#include "tasks/occupancy/view.h"

#include <algorithm>

#include "base/full_size.h"
#include "drawing/bev_view.h"
#include "drawing/palette.h"
#include "tensor/ops.h"

namespace bevgrad {
namespace {

template <size_t kCount>
size_t place_in(const char* const (&names)[kCount], const std::string& name) {
  return static_cast<size_t>(std::ranges::find(names, name) - std::begin(names));
}

/// A class that boxes or rasters have too looks as it does there.
std::vector<Color> colors_of(const OccupancySpace& space) {
  using namespace full_size;
  std::vector<Color> colors;
  size_t others = 0;
  for (const std::string& name : space.classes) {
    const size_t box = place_in(kDynamicClasses, name), road = place_in(kRoadClasses, name);
    colors.push_back(box < std::size(kDynamicClasses) ? box_color(box)
                     : road < std::size(kRoadClasses) ? road_color(road)
                                                      : voxel_color(others++));
  }
  return colors;
}

/// A column's highest voxel that is there and begins below kHighestPoint; -1: none.
std::vector<int64_t> tops_of(const Tensor& voxels, const OccupancySpace& space) {
  const VoxelGrid& grid = space.grid;
  const int64_t cells = grid.rows * grid.columns;
  const int64_t highest = std::min(grid.levels - 1, grid.level_of(kHighestPoint - grid.cell));
  std::vector<int64_t> tops(static_cast<size_t>(cells), -1);
  const uint8_t* labels = voxels.data<const uint8_t>();
  for (int64_t i = 0; i < cells; ++i)
    for (int64_t level = highest; level >= 0 && tops[static_cast<size_t>(i)] < 0; --level)
      if (labels[level * cells + i] < space.free()) tops[static_cast<size_t>(i)] = level;
  return tops;
}

}  // namespace

GroundPanel voxels_from_above(const std::string& title, const Tensor& voxels, const OccupancySpace& space) {
  GroundPanel panel;
  panel.title = title;
  const std::vector<Color> colors = colors_of(space);
  std::vector<bool> there(colors.size());
  const Tensor dense = ops::contiguous(voxels);
  const std::vector<int64_t> tops = tops_of(dense, space);
  const VoxelGrid grid = space.grid;
  const int64_t cells = grid.rows * grid.columns;
  for (int64_t i = 0; i < cells; ++i)
    if (const int64_t top = tops[static_cast<size_t>(i)]; top >= 0)
      there[dense.data<const uint8_t>()[top * cells + i]] = true;
  for (size_t c = 0; c < colors.size(); ++c)
    if (there[c]) panel.legend.push_back({space.classes[c], colors[c]});
  panel.draw = [dense, tops, colors, grid](BevView& view) {
    view.cells(grid.rows, grid.columns, [&](int64_t row, int64_t column) {
      const int64_t top = tops[static_cast<size_t>(row * grid.columns + column)];
      if (top < 0) return Color{0, 0, 0, 0};
      const Color color = colors[dense.data<const uint8_t>()[grid.index(top, row, column)]];
      const double height = grid.z_min + (static_cast<double>(top) + 1) * grid.cell;
      const double light = 0.6 + 0.4 * std::clamp(height / kHighestPoint, 0.0, 1.0);
      return Color{color.r * light, color.g * light, color.b * light, 1};
    });
  };
  return panel;
}

GroundPanel freespace_panel(const Tensor& voxels, const ProbabilityRaster& columns, float threshold,
                            const OccupancySpace& space) {
  GroundPanel panel;
  panel.title = "Freespace of the voxels";
  panel.legend = {{fmt::format("drivable and free: {:g}", threshold), kFreespace}};
  const Tensor dense = ops::contiguous(voxels);
  panel.draw = [columns, threshold, tops = tops_of(dense, space), grid = space.grid](BevView& view) {
    view.cells(grid.rows, grid.columns, [&](int64_t row, int64_t column) {
      if (columns.at(0, row, column) >= threshold) return kFreespace;
      const int64_t top = tops[static_cast<size_t>(row * grid.columns + column)];
      return top > grid.level_of(0) ? kRight : Color{0, 0, 0, 0};
    });
  };
  return panel;
}

}  // namespace bevgrad
