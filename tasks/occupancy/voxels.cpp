#include "tasks/occupancy/voxels.h"

#include <algorithm>
#include <optional>

#include "autograd/batch_sync.h"
#include "autograd/functions/indexing.h"
#include "autograd/functions/pointwise.h"
#include "autograd/functions/reduce.h"
#include "autograd/functions/shape.h"
#include "autograd/functions/softmax.h"
#include "nn/common_losses.h"
#include "nn/lovasz.h"
#include "tensor/ops.h"

namespace bevgrad {
namespace {

/// [N,levels,scores,rows,columns]
Shape by_level(const Tensor& logits, const OccupancySpace& space) {
  const VoxelGrid& grid = space.grid;
  check(logits.dim() == 4 && logits.size(1) == grid.levels * space.scores() && logits.size(2) == grid.rows &&
            logits.size(3) == grid.columns,
        "occupancy: the logits are {}, expected [N,{},{},{}]", describe(logits), grid.levels * space.scores(),
        grid.rows, grid.columns);
  return {logits.size(0), grid.levels, space.scores(), grid.rows, grid.columns};
}

/// What decides whether a column can be driven on.
struct DecidingLevels {
  std::optional<int64_t> ground;  // of a drivable class, where the grid has it and any class is
  int64_t first, last;            // free: those above that of the ground which begin below kDrivingHeight
};
DecidingLevels deciding_levels(const OccupancySpace& space) {
  const VoxelGrid& grid = space.grid;
  const int64_t ground = grid.level_of(0), last = grid.level_of(kDrivingHeight - grid.cell * 1e-6);
  const bool any_drivable = std::ranges::find(space.drivable, true) != space.drivable.end();
  return {any_drivable && ground >= 0 && ground < grid.levels ? std::optional(ground) : std::nullopt,
          std::max<int64_t>(0, ground + 1), std::clamp<int64_t>(last, -1, grid.levels - 1)};
}

}  // namespace

VoxelTargets voxel_targets(const Batch& batch, const OccupancySpace& space) {
  std::vector<int64_t> index, classes;
  if (batch.voxels.defined()) {
    const VoxelGrid& grid = space.grid;
    check(batch.voxels.sizes() == Shape{batch.size(), grid.levels, grid.rows, grid.columns},
          "occupancy: the labels are {}, expected [{},{},{},{}]", describe(batch.voxels), batch.size(), grid.levels,
          grid.rows, grid.columns);
    const uint8_t* labels = batch.voxels.data<const uint8_t>();
    const uint8_t* seen = batch.voxels_seen.defined() ? batch.voxels_seen.data<const uint8_t>() : nullptr;
    for (int64_t i = 0; i < batch.voxels.numel(); ++i) {
      if (labels[i] == kIgnoreLabel || (seen && !space.counts(seen[i]))) continue;
      index.push_back(i);
      classes.push_back(labels[i]);
    }
  }
  const auto tensor = [](const std::vector<int64_t>& values) {
    const Tensor result = empty({static_cast<int64_t>(values.size())}, {DType::Int64});
    std::ranges::copy(values, result.data<int64_t>());
    return result;
  };
  return {tensor(index), tensor(classes)};
}

std::vector<LossTerm> occupancy_losses(const Tensor& logits, const Batch& batch, const OccupancySpace& space,
                                       double cross_entropy_weight, double lovasz_weight) {
  const Shape sizes = by_level(logits, space);
  const VoxelTargets targets = voxel_targets(batch, space);
  auto count = static_cast<double>(targets.index.numel());
  const bool is_spread = batch_sync() && batch_sync()->losses;
  if (is_spread) batch_sync()->sum({&count, 1});
  std::vector<LossTerm> terms;
  const auto add_term = [&](const char* name, double weight, const auto& value) {
    if (weight > 0) terms.push_back({name, weight, targets.index.numel() > 0 ? value() : mul(sum(logits), 0.0)});
  };
  const Tensor by_voxel = reshape(permute(reshape(logits, sizes), {0, 1, 3, 4, 2}), {-1, space.scores()});
  const Tensor kept = index_select(by_voxel, 0, ops::to(targets.index, logits.device()));
  const Tensor classes = ops::to(targets.classes, logits.device());
  add_term("cross_entropy", cross_entropy_weight,
           [&] { return mul(cross_entropy(kept, classes, {.reduction = Reduction::Sum}), 1 / count); });
  add_term("lovasz", lovasz_weight, [&] {
    return mul(lovasz_softmax(softmax(kept, 1), classes), is_spread ? 1.0 / batch_sync()->processes : 1.0);
  });
  return terms;
}

Tensor likeliest_voxels(const Tensor& logits, const OccupancySpace& space) {
  const Shape sizes = by_level(logits, space);
  const Tensor dense = ops::contiguous(ops::to(ops::to(logits, Device()), DType::Float32));
  const Tensor result = empty({sizes[0], sizes[1], sizes[3], sizes[4]}, {.dtype = DType::UInt8});
  const int64_t cells = sizes[3] * sizes[4];
  const float* in = dense.data<const float>();
  uint8_t* out = result.data<uint8_t>();
#pragma omp parallel for schedule(static)
  for (int64_t level = 0; level < sizes[0] * sizes[1]; ++level) {
    const float* scores = in + level * sizes[2] * cells;
    for (int64_t i = 0; i < cells; ++i) {
      int64_t best = 0;
      for (int64_t c = 1; c < sizes[2]; ++c)
        if (scores[c * cells + i] > scores[best * cells + i]) best = c;
      out[level * cells + i] = static_cast<uint8_t>(best);
    }
  }
  return result;
}

Tensor drivable_columns(const Tensor& logits, const OccupancySpace& space) {
  const NoGradGuard no_grad;
  const Shape sizes = by_level(logits, space);
  const Tensor share =
      ops::contiguous(softmax(reshape(ops::contiguous(ops::to(ops::to(logits, Device()), DType::Float32)), sizes), 2));
  const Tensor result = empty({sizes[0], 1, sizes[3], sizes[4]});
  const DecidingLevels levels = deciding_levels(space);
  const int64_t cells = sizes[3] * sizes[4];
  const float* in = share.data<const float>();
  float* out = result.data<float>();
  for (int64_t n = 0; n < sizes[0]; ++n)
    for (int64_t i = 0; i < cells; ++i) {
      const auto at = [&](int64_t level, int64_t c) { return in[((n * sizes[1] + level) * sizes[2] + c) * cells + i]; };
      float ground = 1, above = 1;
      if (levels.ground) {
        ground = 0;
        for (int64_t c = 0; c < space.free(); ++c)
          if (space.drivable[static_cast<size_t>(c)]) ground += at(*levels.ground, c);
      }
      for (int64_t level = levels.first; level <= levels.last; ++level)
        above = std::min(above, at(level, space.free()));
      out[n * cells + i] = ground * above;
    }
  return result;
}

LabelRaster drivable_labels(const Tensor& voxels, const OccupancySpace& space) {
  const VoxelGrid& grid = space.grid;
  LabelRaster raster(1, grid.rows, grid.columns, 1);
  const DecidingLevels levels = deciding_levels(space);
  const uint8_t* labels = voxels.data<const uint8_t>();
  const int64_t cells = raster.cells();
  for (int64_t i = 0; i < cells; ++i) {
    uint8_t& column = raster.values[static_cast<size_t>(i)];
    const auto judge = [&](int64_t level, const auto& is_good) {
      const uint8_t label = labels[level * cells + i];
      if (label == kIgnoreLabel) {
        if (column == 1) column = kIgnoreLabel;
      } else if (!is_good(label)) {
        column = 0;
      }
    };
    if (levels.ground)
      judge(*levels.ground, [&](uint8_t label) { return label < space.free() && space.drivable[label]; });
    for (int64_t level = levels.first; level <= levels.last; ++level)
      judge(level, [&](uint8_t label) { return label == space.free(); });
  }
  return raster;
}

}  // namespace bevgrad
