// The occupancy task: head and losses against PyTorch (tests/golden/models/make_occupancy.py), what counts, what is
// decoded and measured.
#include "tasks/occupancy/occupancy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "autograd/batch_sync.h"
#include "autograd/functions/pointwise.h"
#include "autograd/gradcheck.h"
#include "configs/load.h"
#include "support/devices.h"
#include "support/error_of.h"
#include "support/golden.h"
#include "tasks/occupancy/occupancy_head.h"
#include "tasks/occupancy/occupancy_iou.h"
#include "tasks/occupancy/ray_iou.h"
#include "tasks/occupancy/view.h"
#include "tasks/occupancy/voxels.h"
#include "tasks/task_list.h"
#include "tensor/ops.h"

namespace bevgrad {
namespace {

using testing::golden_numbers;
using testing::golden_tensor;
using ::testing::HasSubstr;
using testing::relative_error;

/// As the golden file's: 3 levels of 4 x 6 voxels, four classes and free.
OccupancySpace space() {
  OccupancySpace space;
  space.grid = {.x_min = 0, .y_min = 0, .z_min = -0.5, .cell = 1, .levels = 3, .rows = 4, .columns = 6};
  space.classes = {"a", "b", "c", "d"};
  space.drivable = {false, true, false, false};
  space.seen = kVoxelSeenByCamera;
  return space;
}

Batch golden_batch() {
  Batch batch;
  batch.timestamps = {0, 1};
  batch.keys = {"a", "b"};
  batch.voxels = zeros({2, 3, 4, 6}, {.dtype = DType::UInt8});
  batch.voxels_seen = zeros({2, 3, 4, 6}, {.dtype = DType::UInt8});
  const std::vector<double> labels = golden_numbers("labels", 144), seen = golden_numbers("seen", 144);
  for (size_t i = 0; i < 144; ++i) {
    const auto label = static_cast<int>((labels[i] + 1) / 2 * 5.99);
    batch.voxels.data<uint8_t>()[i] = label == 5 ? kIgnoreLabel : static_cast<uint8_t>(label);
    batch.voxels_seen.data<uint8_t>()[i] = seen[i] > -0.5 ? kVoxelSeenByCamera : kVoxelSeenByLidar;
  }
  return batch;
}

TEST(OccupancyHead, AndLossesArePyTorchs) {
  const auto golden = testing::load_golden("models/occupancy.golden");
  Generator generator(1);
  OccupancyHead head(5, {.channels = 6, .doublings = 1, .levels = 3, .classes = 4}, generator);
  for (const Device device : test_devices()) {
    SCOPED_TRACE(to_string(device));
    testing::golden_fill(head.state_dict("head"));
    head.move_to(device);
    const Tensor feature = ops::to(golden_tensor("head.feature", {2, 5, 2, 3}), device);
    set_requires_grad(feature, true);
    const NamedTensors maps = head.forward(feature);
    ASSERT_EQ(maps.size(), 1u);
    EXPECT_EQ(maps[0].first, kOccupancyLogits);
    EXPECT_LT(relative_error(detach(maps[0].second), golden.at("logits")), 2e-5);
    const auto terms = occupancy_losses(maps[0].second, golden_batch(), space(), 1, 0.5);
    ASSERT_EQ(terms.size(), 2u);
    EXPECT_NEAR(terms[0].value.item(), golden.at("cross_entropy").item(), 1e-5);
    EXPECT_NEAR(terms[1].value.item(), golden.at("lovasz").item(), 1e-5);
    EXPECT_EQ(terms[1].weight, 0.5);
    backward(add(terms[0].value, mul(terms[1].value, 0.5)));
    EXPECT_LT(relative_error(grad(feature), golden.at("d.feature")), 1e-4);
    for (const auto& [name, parameter] : head.named_parameters()) {
      EXPECT_LT(relative_error(grad(parameter), golden.at("grad." + name)), 1e-4) << name;
      set_grad(parameter, {});
    }
    const Tensor voxels = likeliest_voxels(ops::to(detach(maps[0].second), Device()), space());
    EXPECT_EQ(voxels.to_vector(), golden.at("likeliest").to_vector());
  }
}

TEST(OccupancyLosses, PassGradcheck) {
  const Batch batch = golden_batch();
  const Tensor logits = ops::to(golden_tensor("gradcheck", {2, 15, 4, 6}), DType::Float64);
  const auto total = [&](const std::vector<Tensor>& x) {
    const auto terms = occupancy_losses(x[0], batch, space(), 1, 1);
    return add(terms[0].value, terms[1].value);
  };
  EXPECT_EQ(gradcheck("occupancy", total, {logits}), "");
}

TEST(OccupancyLosses, CountWhatIsSeenAndKnown) {
  Batch batch = golden_batch();
  const int64_t seen = voxel_targets(batch, space()).index.numel();
  OccupancySpace all = space();
  all.seen = 0;
  const int64_t known = voxel_targets(batch, all).index.numel();
  EXPECT_LT(seen, known);
  batch.voxels_seen = {};
  EXPECT_EQ(voxel_targets(batch, space()).index.numel(), known);
  batch.voxels = {};
  const Tensor logits = golden_tensor("x", {2, 15, 4, 6});
  for (const LossTerm& term : occupancy_losses(logits, batch, space(), 1, 1)) EXPECT_EQ(term.value.item(), 0);
  EXPECT_EQ(occupancy_losses(logits, batch, space(), 1, 0).size(), 1u);
  EXPECT_THAT(testing::error_of([&] {
                occupancy_losses(zeros({2, 14, 4, 6}), batch, space(), 1, 1);
              }),
              HasSubstr("expected [N,15,4,6]"));
}

TEST(OccupancyLosses, ValuesOfSeveralProcessesAddUp) {
  const Batch batch = golden_batch();
  const Tensor logits = golden_tensor("x", {2, 15, 4, 6});
  const auto alone = occupancy_losses(logits, batch, space(), 1, 1);
  BatchSync sync;
  sync.processes = 2;
  sync.sum = [](std::span<double> sums) {
    for (double& sum : sums) sum *= 2;
  };
  const BatchSyncGuard guard(&sync);
  const auto half = occupancy_losses(logits, batch, space(), 1, 1);
  for (size_t i = 0; i < 2; ++i) EXPECT_NEAR(half[i].value.item(), alone[i].value.item() / 2, 1e-6);
}

/// One sample whose logits are sure of these labels.
NetworkOutput sure_of(const Tensor& voxels) {
  const Tensor logits = full({1, 15, 4, 6}, -9);
  for (int64_t level = 0; level < 3; ++level)
    for (int64_t i = 0; i < 24; ++i)
      logits.data<float>()[(level * 5 + voxels.data<const uint8_t>()[level * 24 + i]) * 24 + i] = 9;
  NetworkOutput output;
  output.set(kOccupancyLogits, logits);
  return output;
}

/// Level 0 is the ground (z -0.5 to 0.5), of class b but for one voxel; levels 1 and 2 are free but for two.
Tensor street() {
  const Tensor voxels = full({1, 3, 4, 6}, 4, {.dtype = DType::UInt8});
  std::fill_n(voxels.data<uint8_t>(), 24, uint8_t{1});
  voxels.data<uint8_t>()[3] = 0;
  voxels.data<uint8_t>()[24 + 7] = 2;
  voxels.data<uint8_t>()[24 + 8] = kIgnoreLabel;
  return voxels;
}

TEST(OccupancyFreespace, IsDrivableGroundUnderFreeAir) {
  const OccupancySpace judged = space();
  const Tensor labels = ops::contiguous(ops::select(street(), 0, 0));
  const LabelRaster truth = drivable_labels(labels, judged);
  EXPECT_EQ(truth.values[0], 1);
  EXPECT_EQ(truth.values[3], 0);
  EXPECT_EQ(truth.values[7], 0);
  EXPECT_EQ(truth.values[8], kIgnoreLabel);
  const Tensor said = ops::clone(street());
  said.data<uint8_t>()[24 + 8] = 4;
  const std::vector<double> columns = drivable_columns(sure_of(said).at(kOccupancyLogits), judged).to_vector();
  EXPECT_GT(columns[0], 0.99);
  EXPECT_LT(columns[3], 0.01);
  EXPECT_LT(columns[7], 0.01);
  EXPECT_GT(columns[8], 0.99);
}

TEST(OccupancyIou, CountsClassesOccupiedAndFreespaceAndMerges) {
  Batch batch;
  batch.timestamps = {0};
  batch.keys = {"a"};
  batch.voxels = street();
  batch.voxels_seen = full({1, 3, 4, 6}, kVoxelSeenByCamera, {.dtype = DType::UInt8});
  batch.voxels_seen.data<uint8_t>()[0] = kVoxelSeenByLidar;
  const Tensor said = ops::clone(street());
  said.data<uint8_t>()[24 + 8] = 0;
  said.data<uint8_t>()[5] = 3;
  said.data<uint8_t>()[24 + 7] = 4;
  const EvaluationFrame frame;
  OccupancyIou metric(space(), 0.5f), other(space(), 0.5f);
  metric.add({frame, sure_of(said), batch});
  const Table table = metric.tables().at(0);
  const auto iou = [&](const char* row) { return std::get<double>(table.find({row}, "iou")); };
  EXPECT_EQ(iou("a"), 1);
  EXPECT_NEAR(iou("b"), 21.0 / 22, 1e-9);  // 24, of which one is a, one not seen; one is taken for d
  EXPECT_EQ(iou("c"), 0);
  EXPECT_EQ(iou("d"), 0);
  EXPECT_NEAR(iou("mean"), (1 + 21.0 / 22) / 4, 1e-9);
  EXPECT_NEAR(iou("occupied"), 23.0 / 24, 1e-9);
  // Known and seen: 24 - unseen - unknown; labelled without columns 3 and 7; 5 is missed, 7 taken for it.
  EXPECT_NEAR(iou("freespace"), 19.0 / 21, 1e-9);
  other.merge(metric.state());
  EXPECT_EQ(other.headline(), metric.headline());
  other.merge(metric.state());
  EXPECT_EQ(std::get<int64_t>(other.tables().at(0).find({"b"}, "labelled")), 44);
  OccupancyIou none(space(), 0.5f);
  EXPECT_TRUE(none.headline().empty());
}

TEST(RayIou, EndsInTheFirstVoxelThatIsNotFree) {
  OccupancySpace wide = space();
  wide.grid = {.x_min = -8, .y_min = -8, .z_min = 1, .cell = 1, .levels = 1, .rows = 16, .columns = 20};
  const auto with_wall = [&](int64_t column, uint8_t label) {
    std::vector<uint8_t> voxels(320, 4);
    for (int64_t row = 0; row < 16; ++row) voxels[static_cast<size_t>(row * 20 + column)] = label;
    return voxels;
  };
  const std::vector<uint8_t> truth = with_wall(15, 2);
  const auto ious = [&](const std::vector<uint8_t>& said) {
    RayIou rays(wide);
    rays.add(truth.data(), said.data());
    return std::vector<double>{*rays.of(2, 0), *rays.of(2, 1), *rays.of(2, 2)};
  };
  EXPECT_EQ(ious(truth), (std::vector<double>{1, 1, 1}));
  // A wall behind the wall makes no difference to the rays.
  std::vector<uint8_t> thick = truth;
  for (size_t row = 0; row < 16; ++row) thick[row * 20 + 16] = 2;
  EXPECT_EQ(ious(thick), (std::vector<double>{1, 1, 1}));
  // Nearer by three metres: right at four alone, and there not for all of the slanting rays.
  const std::vector<double> nearer = ious(with_wall(12, 2));
  EXPECT_EQ(nearer[1], 0);
  EXPECT_GT(nearer[2], 0.5);
  EXPECT_EQ(ious(with_wall(15, 3)), (std::vector<double>{0, 0, 0}));
  EXPECT_EQ(ious(std::vector<uint8_t>(320, 4)), (std::vector<double>{0, 0, 0}));
  RayIou unknown(wide);
  unknown.add(with_wall(15, kIgnoreLabel).data(), truth.data());
  EXPECT_FALSE(unknown.of(2, 0));
}

TEST(OccupancyView, NamesTheClassesThatAreThere) {
  const GroundPanel panel = voxels_from_above("Voxels", ops::select(street(), 0, 0), space());
  std::vector<std::string> names;
  for (const auto& [name, color] : panel.legend) names.push_back(name);
  EXPECT_EQ(names, (std::vector<std::string>{"a", "b", "c"}));
}

TEST(OccupancyTask, IsOffByDefaultAndRefusesWhatCannotBe) {
  const auto list = [](const std::vector<std::string>& sets) {
    return TaskList(standard_tasks(), configs::load({.config = "mini_step1", .sets = sets}));
  };
  EXPECT_EQ(list({}).active().size(), 2u);
  EXPECT_EQ(list({"tasks.occupancy_task=true"}).active().back().module, "bev_occupancy_head");
  const auto refused = [&](const std::string& set) {
    return testing::error_of([&] { list({"tasks.occupancy_task=true", set}); });
  };
  EXPECT_THAT(refused("tasks.occupancy.voxel=0.3"), HasSubstr("expected 1, 2, 4 or 8"));
  EXPECT_THAT(refused("tasks.occupancy.voxel=1.6"), HasSubstr("0.5 voxels"));
  EXPECT_THAT(refused("tasks.occupancy.levels=65"), HasSubstr("1 to 64"));
  EXPECT_THAT(refused("tasks.occupancy.drivable_classes=[\"raod\"]"), HasSubstr("did you mean \"road\""));
  EXPECT_THAT(refused("tasks.occupancy.lovasz=-1"), HasSubstr("0 or more"));
  EXPECT_EQ(list({"grid.bev_cell=1.3", "grid.pc_range=[0,0,-3,26,26,5]"}).active().size(), 2u);
}

}  // namespace
}  // namespace bevgrad
