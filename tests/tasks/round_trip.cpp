// Encoding and decoding are each other's inverse: from objects to perfect maps and back.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tasks/dynamic_boxes/boxes.h"
#include "tasks/static_map/instances.h"
#include "tensor/ops.h"
#include "tensor/random.h"

namespace bevgrad {
namespace {

constexpr int64_t kSamples = 3;

Batch empty_batch() {
  Batch batch;
  for (int64_t n = 0; n < kSamples; ++n) {
    batch.timestamps.push_back(static_cast<double>(n));
    batch.keys.push_back(std::to_string(n));
    batch.has_instances.push_back(true);
    batch.has_boxes.push_back(true);
  }
  batch.instances.resize(kSamples);
  batch.boxes.resize(kSamples);
  return batch;
}

/// What a head that has learned everything says: logits that are high at the centres alone.
Tensor perfect_logits(const CentreTargets& targets) {
  const Tensor logits = full(targets.heatmap.sizes(), -12);
  const std::vector<double> heat = targets.heatmap.to_vector();
  auto* out = logits.data<float>();
  for (size_t i = 0; i < heat.size(); ++i)
    if (heat[i] == 1) out[i] = 12;
  return logits;
}

/// Channels `first` to `first + count` of the regressed values, at the objects' cells.
Tensor perfect_map(const CentreTargets& targets, int64_t first, int64_t count) {
  const int64_t rows = targets.heatmap.size(2), columns = targets.heatmap.size(3), plane = rows * columns;
  const Tensor map = zeros({targets.heatmap.size(0), count, rows, columns});
  for (int64_t i = 0; i < targets.cells.size(0); ++i) {
    const int64_t cell = targets.cells.data<int64_t>()[i], n = cell / plane;
    for (int64_t c = 0; c < count; ++c)
      map.data<float>()[(n * count + c) * plane + cell % plane] =
          targets.values.data<float>()[i * targets.values.size(1) + first + c];
  }
  return map;
}

TEST(RoundTrip, InstancesComeBackAsTheyWere) {
  const InstanceDecodeOptions options;
  const CentreGrid grid = {
      .x_min = options.x_min, .y_min = options.y_min, .cell = options.cell, .rows = 112, .columns = 208};
  Batch batch = empty_batch();
  Generator random(3);
  for (int64_t n = 0; n < kSamples; ++n) {
    for (int i = 0; i < 12; ++i) {
      // On a lattice, so that none hides another.
      const double x = -17 + 18.0 * (i % 4) + 4 * random.next_uniform();
      const double y = -18 + 14.0 * (i / 4) + 4 * random.next_uniform();
      const int class_id = i % 4;
      double angle = 3.1 * (2 * random.next_uniform() - 1);
      if (options.symmetric[static_cast<size_t>(class_id)]) angle /= 2;
      batch.instances[static_cast<size_t>(n)].push_back({.x = x,
                                                         .y = y,
                                                         .w = 0.5 + 5 * random.next_uniform(),
                                                         .h = 0.5 + 3 * random.next_uniform(),
                                                         .angle = angle,
                                                         .class_id = class_id});
    }
  }
  const CentreTargets targets = instance_targets(batch, grid, 4, options.symmetric);
  const DecodedInstances decoded = decode_instances(perfect_logits(targets), perfect_map(targets, 0, 6), options);
  for (int64_t n = 0; n < kSamples; ++n) {
    const float* rows = decoded.instances.data<float>() + n * options.max_instances * 6;
    for (const Instance& wanted : batch.instances[static_cast<size_t>(n)]) {
      int64_t found = -1;
      for (int64_t i = 0; i < options.max_instances; ++i)
        if (rows[i * 6 + 5] == static_cast<float>(wanted.class_id) &&
            std::hypot(rows[i * 6] - wanted.x, rows[i * 6 + 1] - wanted.y) < 1e-3)
          found = i;
      ASSERT_GE(found, 0) << n << ": " << wanted.x << ", " << wanted.y;
      EXPECT_NEAR(rows[found * 6 + 2], wanted.w, 1e-4);
      EXPECT_NEAR(rows[found * 6 + 3], wanted.h, 1e-4);
      EXPECT_NEAR(rows[found * 6 + 4], wanted.angle, 1e-4);
    }
    EXPECT_EQ(std::count_if(rows, rows + options.max_instances * 6, [](float v) { return std::isfinite(v); }),
              12 * 6 + options.max_instances - 12);  // the class of unused rows is -1
  }
}

TEST(RoundTrip, BoxesComeBackAsTheyWere) {
  const BoxDecodeOptions options;
  const CentreGrid grid = {
      .x_min = options.x_min, .y_min = options.y_min, .cell = options.cell, .rows = 56, .columns = 104};
  const LabelGrid range = {};
  Batch batch = empty_batch();
  Generator random(4);
  for (int64_t n = 0; n < kSamples; ++n) {
    for (int i = 0; i < 12; ++i)
      batch.boxes[static_cast<size_t>(n)].push_back({.x = -17 + 18.0 * (i % 4) + 4 * random.next_uniform(),
                                                     .y = -18 + 14.0 * (i / 4) + 4 * random.next_uniform(),
                                                     .z = 2 * random.next_uniform(),
                                                     .l = 1 + 5 * random.next_uniform(),
                                                     .w = 1 + random.next_uniform(),
                                                     .h = 1 + random.next_uniform(),
                                                     .yaw = 3.1 * (2 * random.next_uniform() - 1),
                                                     .vx = random.next_uniform(),
                                                     .vy = -random.next_uniform(),
                                                     .class_id = i % 8});
  }
  const CentreTargets targets = box_targets(batch, grid, 8, range);
  std::map<std::string, Tensor> maps = {{"heatmap", perfect_logits(targets)}};
  for (const DynamicMap& map : kDynamicMaps) maps[map.name] = perfect_map(targets, map.first, map.channels);
  const Tensor decoded = decode_boxes(maps, options);
  for (int64_t n = 0; n < kSamples; ++n) {
    const float* rows = decoded.data<float>() + n * options.max_boxes * 11;
    int64_t used = 0;
    for (int64_t i = 0; i < options.max_boxes; ++i) used += rows[i * 11 + 10] >= 0;
    EXPECT_EQ(used, 12);
    for (const Box3d& wanted : batch.boxes[static_cast<size_t>(n)]) {
      int64_t found = -1;
      for (int64_t i = 0; i < options.max_boxes; ++i)
        if (rows[i * 11 + 10] == static_cast<float>(wanted.class_id) &&
            std::hypot(rows[i * 11] - wanted.x, rows[i * 11 + 1] - wanted.y) < 1e-3)
          found = i;
      ASSERT_GE(found, 0) << n << ": " << wanted.x << ", " << wanted.y;
      const double expected[] = {wanted.z, wanted.l, wanted.w, wanted.h, wanted.yaw, wanted.vx, wanted.vy};
      for (int64_t c = 0; c < 7; ++c) EXPECT_NEAR(rows[found * 11 + 2 + c], expected[c], 1e-4) << c;
    }
  }
}

}  // namespace
}  // namespace bevgrad
