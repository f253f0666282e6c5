#include "models/network_options.h"

#include <cmath>
#include <limits>

#include "base/error.h"

namespace bevgrad {
namespace {

template <class... Args>
void require(bool condition, fmt::format_string<Args...> format, Args&&... args) {
  if (!condition) throw UsageError("network: " + fmt::format(format, std::forward<Args>(args)...));
}

void require_size(const char* what, int64_t value) {
  require(value >= 1, "{} is {}, expected 1 or more", what, value);
}

int64_t cells(const char* axis, double low, double high, double cell) {
  const double exact = (high - low) / cell;
  const double rounded = std::round(exact);
  require(rounded >= 1 && rounded <= std::numeric_limits<int>::max() && std::abs(exact - rounded) < 1e-6,
          "the {} range {} to {} is not a whole number of cells of {} m", axis, low, high, cell);
  return static_cast<int64_t>(rounded);
}

void validate_group(const CameraGroupNetwork& group, size_t index, bool stem_max_pool) {
  const std::string name = group.name.empty() ? fmt::format("group {}", index) : "group " + group.name;
  require(group.num_cameras >= 1, "{} has {} cameras, expected 1 or more", name, group.num_cameras);
  require(group.height >= 1 && group.width >= 1, "{}: the image size {}x{} is empty", name, group.height, group.width);
  require(!group.taps.empty(), "{} has no taps", name);
  for (size_t i = 0; i < group.taps.size(); ++i) {
    require(group.taps[i] >= 1 && group.taps[i] <= 4, "{}: tap {} is not one of the layers 1 to 4", name,
            group.taps[i]);
    require(i == 0 || group.taps[i] == group.taps[i - 1] + 1, "{}: taps must rise by one, finest first", name);
  }
  const int64_t coarsest = layer_stride(group.taps.back(), stem_max_pool);
  require(group.height % coarsest == 0 && group.width % coarsest == 0,
          "{}: the image size {}x{} is not a multiple of the coarsest tap's stride {}", name, group.height, group.width,
          coarsest);
}

}  // namespace

int64_t BevGrid::rows() const {
  return cells("y", y_min, y_max, cell);
}
int64_t BevGrid::columns() const {
  return cells("x", x_min, x_max, cell);
}

int64_t layer_stride(int layer, bool stem_max_pool) {
  return int64_t{stem_max_pool ? 2 : 1} << layer;
}

int64_t NetworkOptions::num_cameras() const {
  int64_t count = 0;
  for (const CameraGroupNetwork& group : groups) count += group.num_cameras;
  return count;
}

void NetworkOptions::validate() const {
  require(!groups.empty() || enable_lidar, "there is no camera group and no LiDAR");
  for (size_t i = 0; i < groups.size(); ++i) validate_group(groups[i], i, stem_max_pool);
  for (size_t c = 0; c < 3; ++c) {
    require(std::isfinite(image_mean[c]), "the image mean {} is not finite", image_mean[c]);
    require(std::isfinite(image_std[c]) && image_std[c] > 0, "the image std {} is not positive", image_std[c]);
  }
  require_size("backbone_width", backbone_width);
  require(backbone_blocks.size() == 4, "backbone_blocks has {} values, expected 4", backbone_blocks.size());
  for (int64_t blocks : backbone_blocks) require_size("a value of backbone_blocks", blocks);
  require_size("neck_channels", neck_channels);
  require_size("bev_channels", bev_channels);
  require(std::isfinite(grid.cell) && grid.cell > 0, "the BEV cell {} is not positive", grid.cell);
  require(grid.z_max > grid.z_min, "the z range {} to {} is empty", grid.z_min, grid.z_max);
  const int64_t rows = grid.rows(), columns = grid.columns();
  require(!view_heights.empty(), "there is no view height");
  for (double z : view_heights) require(std::isfinite(z), "the view height {} is not finite", z);
  if (enable_lidar) {
    require_size("lidar max_points", lidar.max_points);
    require_size("lidar max_pillars", lidar.max_pillars);
    require_size("lidar vfe_channels", lidar.vfe_channels);
    require_size("lidar neck_channels", lidar.neck_channels);
    require(lidar.layers.size() == 3 && lidar.channels.size() == 3,
            "lidar layers and channels have {} and {} values, expected 3 each", lidar.layers.size(),
            lidar.channels.size());
    for (int64_t n : lidar.layers) require(n >= 0, "a value of lidar layers is {}, expected 0 or more", n);
    for (int64_t c : lidar.channels) require_size("a value of lidar channels", c);
    // The coarsest LiDAR level has half the BEV feature's resolution and must come back to it.
    require(rows % 2 == 0 && columns % 2 == 0, "with LiDAR the BEV grid {}x{} must have even sides", rows, columns);
  }
  if (enable_static_temporal) require_size("temporal history", temporal.history);
  require(trunk_chunk_pixels >= 0, "trunk_chunk_pixels is {}, expected 0 or more", trunk_chunk_pixels);
}

}  // namespace bevgrad
