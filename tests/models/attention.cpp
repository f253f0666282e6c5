// The view transforms by attention against PyTorch (tests/golden/models/make_attention.py), and their tables.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/camera/deformable_attention.h"
#include "models/camera/gkt.h"
#include "models/golden_part.h"
#include "models/network_fixture.h"
#include "nn/check_module.h"

namespace bevgrad::testing {
namespace {

using ::testing::ElementsAre;

const std::map<std::string, Tensor>& golden() {
  static const std::map<std::string, Tensor> file = load_golden("models/attention.golden");
  return file;
}

/// Two samples with different rigs.
std::vector<std::vector<Camera>> rigs() {
  std::vector<std::vector<Camera>> rigs(2);
  for (size_t n = 0; n < 2; ++n) {
    const Tensor& rig = golden().at(fmt::format("rig{}", n));
    for (int64_t i = 0; i < rig.size(0); ++i) rigs[n].push_back(golden_camera(ops::select(rig, 0, i)));
  }
  return rigs;
}

const std::vector<std::pair<std::string, Shape>> kFeatures = {{"x0", {2, 5, 8, 12}}, {"x1", {4, 5, 8, 8}}};

BevPoints points() {
  return {tiny_options().grid, {-0.5, 0.0, 0.5, 1.5}};
}

TEST(AttentionGolden, DeformableAttentionOfTwoRigs) {
  Generator generator(1);
  DeformableAttention attention(5, 6, points(), {.layers = 2, .heads = 2, .points = 3, .feedforward = 7}, generator);
  expect_golden(golden(), "deformable", attention, kFeatures,
                [&](const Tensors& x) { return Tensors{attention.forward(x, rigs()).bev}; });
}

TEST(AttentionGolden, GktOfTwoRigs) {
  Generator generator(1);
  Gkt gkt(5, 6, tiny_options().grid, {.heads = 2, .kernel = {.rows = 5, .columns = 3, .height = 0.3}}, generator);
  expect_golden(golden(), "gkt", gkt, kFeatures, [&](const Tensors& x) { return Tensors{gkt.forward(x, rigs()).bev}; });
}

TEST(Attention, ViewTransformsDoWhatEveryModuleShould) {
  Generator generator(3);
  const std::vector<Tensor> features = {generator.normal({2, 4, 3, 4}), generator.normal({4, 4, 2, 3})};
  BevGrid grid = tiny_options().grid;
  grid.cell = 1.6;
  const auto check = [&](const std::string& name, ViewTransform& transform) {
    golden_fill(transform.state_dict(name));
    EXPECT_EQ(check_module(
                  name, transform, [&](const Tensors& x) { return transform.forward(x, rigs()).bev; }, features),
              "");
  };
  DeformableAttention attention(4, 4, {grid, {0.0, 1.0}}, {.layers = 1, .heads = 2, .points = 1, .feedforward = 3},
                                generator);
  check("attention", attention);
  Gkt gkt(4, 4, grid, {.heads = 2, .kernel = {.rows = 3, .columns = 1}}, generator);
  check("gkt", gkt);
}

// With all pictures masked the map is what the queries alone give, the same in every sample.
TEST(Attention, UnseenCellsHaveTheirQueries) {
  Generator generator(3);
  const NoGradGuard no_grad;
  std::vector<std::vector<Camera>> masked = rigs();
  for (auto& rig : masked)
    for (Camera& camera : rig) camera.ego_mask = {{{-1, -1}, {200, -1}, {200, 200}, {-1, 200}}};
  const std::vector<Tensor> some = {generator.normal({2, 5, 8, 12}), generator.normal({4, 5, 8, 8})},
                            other = {generator.normal({2, 5, 8, 12}), generator.normal({4, 5, 8, 8})};
  const auto expect_blind = [&](ViewTransform& transform) {
    transform.set_training(false);
    const Tensor bev = transform.forward(some, masked).bev;
    EXPECT_EQ(bev.to_vector(), transform.forward(other, masked).bev.to_vector());
    EXPECT_EQ(ops::select(bev, 0, 0).to_vector(), ops::select(bev, 0, 1).to_vector());
    EXPECT_TRUE(ops::all_finite(bev));
    EXPECT_NE(transform.forward(some, rigs()).bev.to_vector(), transform.forward(other, rigs()).bev.to_vector());
  };
  DeformableAttention attention(5, 6, points(), {.layers = 1, .heads = 2, .points = 1, .feedforward = 3}, generator);
  expect_blind(attention);
  Gkt gkt(5, 6, tiny_options().grid, {.heads = 2, .kernel = {}}, generator);
  expect_blind(gkt);
}

// What caches of features rely on: the same bits alone and beside another sample.
TEST(Attention, AFeatureDependsOnItsSampleAlone) {
  Generator generator(3);
  const std::vector<Tensor> both = {generator.normal({2, 5, 8, 12}), generator.normal({4, 5, 8, 8})};
  const auto expect_alone = [&](ViewTransform& transform) {
    transform.set_training(false);
    const Tensor together = transform.forward(both, rigs()).bev;
    for (int64_t n = 0; n < 2; ++n) {
      const std::vector<Tensor> own = {ops::narrow(both[0], 0, n, 1), ops::narrow(both[1], 0, 2 * n, 2)};
      EXPECT_EQ(transform.forward(own, {rigs()[static_cast<size_t>(n)]}).bev.to_vector(),
                ops::narrow(together, 0, n, 1).to_vector())
          << "sample " << n;
    }
  };
  const NoGradGuard no_grad;
  DeformableAttention attention(5, 6, points(), {.layers = 2, .heads = 2, .points = 3, .feedforward = 7}, generator);
  expect_alone(attention);
  Gkt gkt(5, 6, tiny_options().grid, {.heads = 2, .kernel = {.rows = 5, .columns = 3}}, generator);
  expect_alone(gkt);
}

TEST(SeenCells, TurnATableAround) {
  // Two heights over two cells, one group of two cameras: the first cell is seen by both, the second by none.
  BevSamplingTable table{.heights = 2,
                         .rows = 1,
                         .columns = 2,
                         .groups = {{2, 4, 8}},
                         .offsets = {0, 2, 2, 3, 3},
                         .looks = {{0, 0, 1.5f, 0.5f}, {0, 1, 7.5f, -0.5f}, {0, 1, 3.5f, 1.5f}}};
  const SeenCells seen = seen_cells(table);
  EXPECT_THAT(seen.shares, ElementsAre(0.5f, 0));
  EXPECT_THAT(seen.cameras[0][0].cells, ElementsAre(0));
  EXPECT_THAT(seen.cameras[0][0].seen, ElementsAre(1, 0));
  EXPECT_THAT(seen.cameras[0][0].places, ElementsAre(0.25f, 0.25f, 0, 0));
  EXPECT_THAT(seen.cameras[0][1].seen, ElementsAre(1, 1));
  EXPECT_THAT(seen.cameras[0][1].places, ElementsAre(1, 0, 0.5f, 0.5f));
  // Of another sample the second cell: lists are filled up, rows count through the samples.
  table.offsets = {0, 0, 1, 1, 2};
  table.looks = {{0, 0, 0, 0}, {0, 0, 0, 0}};
  const GroupCells cells =
      group_cells({std::make_shared<SeenCells>(seen), std::make_shared<SeenCells>(seen_cells(table))}, 0);
  EXPECT_EQ(cells.length, 1);
  EXPECT_THAT(cells.rows.to_vector(), ElementsAre(0, 0, 3, 0));
  EXPECT_THAT(cells.seen.to_vector(), ElementsAre(1, 0, 1, 1, 1, 1, 0, 0));
}

TEST(KernelLooks, LeaveOutWhatLiesBeyondTheMap) {
  const std::vector<Camera> cameras = rigs()[0];
  const Rig rig{{{1, 8, 12}, {2, 8, 8}}, cameras};
  const BevGrid grid = tiny_options().grid;
  const KernelLooks one = kernel_looks(grid, {.rows = 1, .columns = 1}, rig),
                    all = kernel_looks(grid, {.rows = 15, .columns = 23}, rig);
  ASSERT_EQ(one.offsets.size(), all.offsets.size());
  for (size_t cell = 0; cell + 1 < one.offsets.size(); ++cell) {
    // A kernel twice as large as the map covers all of it from wherever it lies.
    int64_t pixels = 0;
    for (int64_t i = one.offsets[cell]; i < one.offsets[cell + 1]; ++i) {
      const BevSamplingGroup& group = rig.groups[static_cast<size_t>(one.pixels[static_cast<size_t>(i)].group)];
      pixels += group.height * group.width;
    }
    EXPECT_EQ(all.offsets[cell + 1] - all.offsets[cell], pixels) << "cell " << cell;
  }
  const KernelBatch batch = kernel_batch({std::make_shared<KernelLooks>(one), std::make_shared<KernelLooks>(one)});
  const int64_t per_sample = 8 * 12 * batch.length;
  const std::vector<double> rows = batch.rows.to_vector(), seen = batch.seen.to_vector();
  for (int64_t i = 0; i < per_sample; ++i) {
    const auto at = static_cast<size_t>(i), next = static_cast<size_t>(per_sample + i);
    if (seen[at] == 0) continue;
    const bool is_front = rows[at] < 96;
    EXPECT_EQ(rows[next] - rows[at], is_front ? 96 : 128);
  }
}

}  // namespace
}  // namespace bevgrad::testing
