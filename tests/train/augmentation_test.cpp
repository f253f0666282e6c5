// Augmentation in a training: on features that are cached, in a run that resumes, and what a config may ask for.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "bev/warp.h"
#include "support/error_of.h"
#include "tensor/ops.h"
#include "train/cache/changed_features.h"
#include "train/tiny_run.h"
#include "train/trainer.h"

namespace bevgrad {
namespace {

using testing::error_of;
using ::testing::HasSubstr;

const BevGrid kGrid = {.x_min = -8, .y_min = -4, .x_max = 8, .y_max = 4, .cell = 1};

/// Two channels: x and y of each cell's centre.
Tensor coordinates() {
  const Tensor map = empty({1, 2, 8, 16}, {.format = MemoryFormat::ChannelsLast});
  for (int64_t row = 0; row < 8; ++row)
    for (int64_t column = 0; column < 16; ++column) {
      map.data<float>()[(row * 16 + column) * 2] = static_cast<float>(column) - 7.5f;
      map.data<float>()[(row * 16 + column) * 2 + 1] = static_cast<float>(row) - 3.5f;
    }
  return map;
}

TEST(GroundAugmentation, CachedFeaturesLieWhereTheLabelsDo) {
  for (const EgoChange& change : {EgoChange{.shift = {2, -1}}, EgoChange{.yaw = 0.5, .shift = {0.3, 0.2}},
                                  EgoChange{.mirror = true, .scale = 1.1, .yaw = -0.2, .shift = {1, 0.5}}}) {
    Tensor features = coordinates();
    const Pose now = Pose::from_yaw(5, 2, 0, 0.3), then = Pose::from_yaw(3, 1, 0, 0.1);
    History history{{coordinates()},
                    from_values({1, 0, 0, 0, 1, 0}, {1, 1, 2, 3}, {.dtype = DType::Float64}),
                    ones({1, 1}, {.dtype = DType::Bool})};
    const GroundWarp warp = ground_warp(now, then);
    std::copy(warp.m.begin(), warp.m.end(), history.feature_warp_matrix.data<double>());
    change_features(features, history, {change}, kGrid);
    const Tensor past = warp_bev(history.prev_feat_list[0], ops::select(history.feature_warp_matrix, 1, 0),
                                 {kGrid.x_min, kGrid.y_min, kGrid.x_max, kGrid.y_max}, Interpolation::Bilinear);
    int compared = 0;
    for (int64_t row = 0; row < 8; ++row)
      for (int64_t column = 0; column < 16; ++column) {
        // Where the cell's middle lay before the change, and where the vehicle then had it.
        const Vec2 before = change.inverse().apply({static_cast<double>(column) - 7.5, static_cast<double>(row) - 3.5});
        const Vec2 in_past = warp.apply(before);
        const auto inside = [](Vec2 p) { return std::abs(p.x) < 7.4 && std::abs(p.y) < 3.4; };
        const auto at = [&](const Tensor& map, int64_t channel) {
          return ops::select(ops::select(ops::select(ops::select(map, 0, 0), 0, channel), 0, row), 0, column).item();
        };
        if (inside(before)) {
          EXPECT_NEAR(at(features, 0), before.x, 1e-4);
          EXPECT_NEAR(at(features, 1), before.y, 1e-4);
          ++compared;
        }
        if (!inside(in_past)) continue;
        EXPECT_NEAR(at(past, 0), in_past.x, 1e-4);
        EXPECT_NEAR(at(past, 1), in_past.y, 1e-4);
      }
    EXPECT_GT(compared, 50);
  }
}

TEST(GroundAugmentation, AnUnchangedSampleKeepsItsBits) {
  Tensor features = coordinates();
  History none;
  change_features(features, none, {{}}, kGrid);
  EXPECT_EQ(features.to_vector(), coordinates().to_vector());
}

std::vector<double> losses_of(const std::string& config, std::vector<std::string> sets, const std::string& work_dir,
                              int64_t stop = 6, const std::string& resume = "") {
  static const std::unique_ptr<ProcessGroup> group = make_single_process_group();
  sets.insert(sets.begin(),
              {config == "mini_step1" ? "train.train_steps=6" : "train.finetune_steps=6", "train.base_lr=1e-3"});
  Trainer trainer(TinyData::get().document(config, sets),
                  {.work_dir = TinyData::get().path(work_dir), .resume = resume, .pretrain = "", .quiet = true},
                  *group);
  std::vector<double> losses;
  while (trainer.global_step() < stop) losses.push_back(trainer.step().loss);
  trainer.save();
  return losses;
}

TEST(AugmentationRun, ResumesBitForBit) {
  const std::vector<std::string> ground = {"augmentation.ground.mirror=0.5", "augmentation.ground.yaw=10",
                                           "augmentation.ground.shift_x=2", "augmentation.drop_history=0.2"};
  std::vector<std::string> all = ground, cached = ground;
  all.insert(all.end(), {"augmentation.pictures.zoom_max=1.2", "augmentation.pictures.noise=4",
                         "augmentation.pictures.extrinsic_angle=0.5", "augmentation.drop_lidar=0.3",
                         "augmentation.timestamp_jitter=0.01"});
  cached.insert(cached.end(), {"feature_cache.enabled=true", "feature_cache.shuffle=true",
                               "feature_cache.dir=" + TinyData::get().path("augmentation_cache")});
  const struct {
    const char* name;
    const char* config;
    std::vector<std::string> sets;
  } runs[] = {
      {"single", "mini_step1", all}, {"streamed", "mini_step2_static", all}, {"cached", "mini_step2_static", cached}};
  for (const auto& [name, config, sets] : runs) {
    SCOPED_TRACE(name);
    const std::string folder = std::string("augmentation_") + name;
    const std::vector<double> unbroken = losses_of(config, sets, folder);
    for (const double loss : unbroken) EXPECT_TRUE(std::isfinite(loss)) << name;
    losses_of(config, sets, folder + "_broken", 3);
    EXPECT_EQ(losses_of(config, sets, folder + "_broken", 6, "auto"),
              std::vector<double>(unbroken.begin() + 3, unbroken.end()))
        << name;
    EXPECT_NE(losses_of(config, {}, folder + "_without", 1),
              std::vector<double>(unbroken.begin(), unbroken.begin() + 1))
        << name;
  }
}

TEST(AugmentationRun, WhatCannotBeIsRefused) {
  const auto refused = [](std::vector<std::string> sets) {
    return error_of([&] { losses_of("mini_step2_static", std::move(sets), "augmentation_refused", 0); });
  };
  EXPECT_THAT(refused({"augmentation.ground.mirror=2"}), HasSubstr("\"augmentation.ground.mirror\": 2 is impossible"));
  EXPECT_THAT(refused({"augmentation.ground.scale_min=1.2"}), HasSubstr("\"augmentation.ground.scale_max\": 1"));
  EXPECT_THAT(refused({"augmentation.pictures.blur=5"}), HasSubstr("\"augmentation.pictures.blur\": 5"));
  EXPECT_THAT(refused({"augmentation.timestamp_jitter=0.06"}), HasSubstr("expected less than half the 0.1"));
  EXPECT_THAT(refused({"feature_cache.enabled=true", "augmentation.pictures.noise=3"}),
              HasSubstr("only augmentation.ground and drop_history"));
}

}  // namespace
}  // namespace bevgrad
