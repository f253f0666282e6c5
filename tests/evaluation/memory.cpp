// What the evaluator keeps of the frames that it has seen: with a thousand frames it must still be small beside one
// network.
#include <gtest/gtest.h>
#include <malloc.h>

#include "evaluation/evaluator.h"

namespace bevgrad {
namespace {

constexpr int kBoxes = 100, kInstances = 100;

EvaluationOptions small_options() {
  EvaluationOptions options;
  options.labels.grid.x_min = 0, options.labels.grid.x_max = 20;
  options.labels.grid.y_min = -5, options.labels.grid.y_max = 5;
  return options;
}

/// As many boxes and instances as a head gives at most.
EvaluationFrame full_frame(int index) {
  EvaluationFrame frame;
  frame.val_set = "online";
  frame.key = fmt::format("online/{}/{}", index / 20, index);
  frame.sequence = 1;
  frame.timestamp = 0.1 * index;
  frame.lane_label = LabelRaster(9, 50, 100, 0);
  frame.road_label = LabelRaster(4, 50, 100, 0);
  frame.lane = ProbabilityRaster(9, 50, 100);
  frame.road = ProbabilityRaster(4, 50, 100);
  for (int i = 0; i < kBoxes; ++i) {
    Box3d box;
    box.x = 0.1 + 0.19 * i, box.class_id = i % 2;
    frame.boxes.push_back({box, 0.001 * i});
  }
  for (int i = 0; i < kInstances; ++i) frame.instances.push_back({{0.19 * i, 0, 5, 2.5, 0.3, i % 2}, 0.001 * i});
  frame.instance_labels = {frame.instances[0].box};
  frame.box_labels = {frame.boxes[0].box};
  return frame;
}

size_t bytes_in_use() {
  const auto info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

TEST(EvaluatorMemory, AFrameCostsEightBytesADetectionAndThreshold) {
  const EvaluationOptions options = small_options();
  Evaluator evaluator(options);
  int frame = 0;
  const auto add = [&](int count) {
    for (int i = 0; i < count; ++i) evaluator.add(full_frame(frame++));
  };
  add(64);
  const size_t before = bytes_in_use();
  if (before == 0) GTEST_SKIP() << "SKIPPED: a sanitizer's allocator does not tell what is in use";
  constexpr int kMore = 512;
  add(kMore);
  const double a_frame = static_cast<double>(bytes_in_use() - before) / kMore;
  const double detections = static_cast<double>(kBoxes * options.dynamic_distances.size() + kInstances);
  // Lists that grow by doubling are up to half empty; a line in "samples" is its key and a few numbers.
  EXPECT_LE(a_frame, 2 * 8 * detections + 2 * 256);
}

}  // namespace
}  // namespace bevgrad
