#include "models/camera/seen_cells.h"

#include <algorithm>

namespace bevgrad {

SeenCells seen_cells(const BevSamplingTable& table) {
  SeenCells result{.heights = table.heights,
                   .cell_count = table.rows * table.columns,
                   .groups = table.groups,
                   .cameras = {},
                   .shares = {}};
  for (const BevSamplingGroup& group : table.groups) result.cameras.emplace_back(static_cast<size_t>(group.cameras));
  const auto heights = static_cast<size_t>(table.heights);
  for (int64_t cell = 0; cell < result.cell_count; ++cell) {
    int64_t cameras = 0;
    for (size_t z = 0; z < heights; ++z) {
      const auto point = static_cast<size_t>(static_cast<int64_t>(z) * result.cell_count + cell);
      for (int64_t i = table.offsets[point]; i < table.offsets[point + 1]; ++i) {
        const BevLook& look = table.looks[static_cast<size_t>(i)];
        const BevSamplingGroup& group = table.groups[static_cast<size_t>(look.group)];
        CameraCells& camera = result.cameras[static_cast<size_t>(look.group)][static_cast<size_t>(look.camera)];
        if (camera.cells.empty() || camera.cells.back() != cell) {
          camera.cells.push_back(cell);
          camera.places.resize(camera.cells.size() * heights * 2);
          camera.seen.resize(camera.cells.size() * heights);
          ++cameras;
        }
        const size_t at = (camera.cells.size() - 1) * heights + z;
        camera.seen[at] = 1;
        camera.places[2 * at] = (look.u + 0.5f) / static_cast<float>(group.width);
        camera.places[2 * at + 1] = (look.v + 0.5f) / static_cast<float>(group.height);
      }
    }
    result.shares.push_back(cameras == 0 ? 0 : 1 / static_cast<float>(cameras));
  }
  return result;
}

GroupCells group_cells(const std::vector<std::shared_ptr<const SeenCells>>& samples, size_t group) {
  const int64_t heights = samples[0]->heights;
  GroupCells result;
  std::vector<std::pair<int64_t, const CameraCells*>> images;
  for (size_t n = 0; n < samples.size(); ++n) {
    for (const CameraCells& camera : samples[n]->cameras[group]) {
      images.emplace_back(static_cast<int64_t>(n), &camera);
      result.length = std::max(result.length, static_cast<int64_t>(camera.cells.size()));
    }
  }
  const auto count = static_cast<int64_t>(images.size());
  result.rows = zeros({count * result.length}, {DType::Int64});
  result.places = zeros({count, result.length, heights, 2});
  result.seen = zeros({count, result.length, heights}, {DType::Bool});
  for (int64_t i = 0; i < count; ++i) {
    const auto& [sample, camera] = images[static_cast<size_t>(i)];
    const int64_t first = i * result.length;
    int64_t* row = result.rows.data<int64_t>() + first;
    for (const int64_t cell : camera->cells) *row++ = sample * samples[0]->cell_count + cell;
    std::ranges::copy(camera->places, result.places.data<float>() + first * heights * 2);
    std::ranges::copy(camera->seen, static_cast<uint8_t*>(result.seen.raw_data()) + first * heights);
  }
  return result;
}

}  // namespace bevgrad
