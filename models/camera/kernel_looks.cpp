#include "models/camera/kernel_looks.h"

#include <algorithm>
#include <cmath>

namespace bevgrad {

KernelLooks kernel_looks(const BevGrid& grid, const KernelSpec& kernel, const Rig& rig) {
  const BevSamplingTable table = project_points({grid, {kernel.height}}, rig.groups, rig.cameras);
  KernelLooks result{.groups = rig.groups, .offsets = {0}, .pixels = {}};
  for (size_t cell = 0; cell + 1 < table.offsets.size(); ++cell) {
    for (int64_t i = table.offsets[cell]; i < table.offsets[cell + 1]; ++i) {
      const BevLook& look = table.looks[static_cast<size_t>(i)];
      const BevSamplingGroup& group = rig.groups[static_cast<size_t>(look.group)];
      const int64_t row = std::llround(look.v) - kernel.rows / 2, column = std::llround(look.u) - kernel.columns / 2;
      for (int64_t place = 0; place < kernel.places(); ++place) {
        const int64_t y = row + place / kernel.columns, x = column + place % kernel.columns;
        if (y < 0 || y >= group.height || x < 0 || x >= group.width) continue;
        result.pixels.push_back(
            {look.group, look.camera, static_cast<int32_t>(y * group.width + x), static_cast<int32_t>(place)});
      }
    }
    result.offsets.push_back(static_cast<int64_t>(result.pixels.size()));
  }
  return result;
}

KernelBatch kernel_batch(const std::vector<std::shared_ptr<const KernelLooks>>& samples) {
  const auto batch = static_cast<int64_t>(samples.size());
  const auto cells = static_cast<int64_t>(samples[0]->offsets.size()) - 1;
  KernelBatch result{.length = 1, .rows = {}, .places = {}, .seen = {}};
  for (const auto& sample : samples)
    for (size_t cell = 1; cell < sample->offsets.size(); ++cell)
      result.length = std::max(result.length, sample->offsets[cell] - sample->offsets[cell - 1]);
  result.rows = zeros({batch * cells * result.length}, {DType::Int64});
  result.places = zeros({batch * cells * result.length}, {DType::Int64});
  result.seen = zeros({batch, cells, result.length, 1}, {DType::Bool});
  auto* rows = result.rows.data<int64_t>();
  auto* places = result.places.data<int64_t>();
  auto* seen = static_cast<uint8_t*>(result.seen.raw_data());
  for (int64_t n = 0; n < batch; ++n) {
    const KernelLooks& sample = *samples[static_cast<size_t>(n)];
    std::vector<int64_t> first;  // row of each group's first pixel of this sample
    int64_t before = 0;
    for (const BevSamplingGroup& group : sample.groups) {
      const int64_t of_sample = group.cameras * group.height * group.width;
      first.push_back(before + n * of_sample);
      before += batch * of_sample;
    }
    for (int64_t cell = 0; cell < cells; ++cell) {
      int64_t at = (n * cells + cell) * result.length;
      for (int64_t i = sample.offsets[static_cast<size_t>(cell)]; i < sample.offsets[static_cast<size_t>(cell) + 1];
           ++i, ++at) {
        const KernelPixel& pixel = sample.pixels[static_cast<size_t>(i)];
        const auto g = static_cast<size_t>(pixel.group);
        const BevSamplingGroup& group = sample.groups[g];
        rows[at] = first[g] + pixel.camera * group.height * group.width + pixel.pixel;
        places[at] = pixel.place;
        seen[at] = 1;
      }
    }
  }
  return result;
}

}  // namespace bevgrad
