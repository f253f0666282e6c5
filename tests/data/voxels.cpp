// Voxel labels: as records hold them, as the generator makes them, and moved by augmentation.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "data/augmentation/ego_change.h"
#include "data/batch.h"
#include "data/record.h"
#include "data/record.pb.h"
#include "data/scene_rig.h"
#include "data/voxel_walk.h"
#include "support/error_of.h"
#include "tensor/ops.h"

namespace bevgrad {
namespace {

using ::testing::ElementsAre;
using testing::error_of;
using ::testing::HasSubstr;
using testing::same_bytes;
using testing::small_scene;

const VoxelGrid kGrid = {.x_min = 0, .y_min = 0, .z_min = -1, .cell = 1, .levels = 3, .rows = 2, .columns = 4};

DatasetOptions reading(std::vector<std::string> classes, const VoxelGrid& grid = kGrid) {
  DatasetOptions options;
  options.load_points = false;
  options.labels.voxel_classes = std::move(classes);
  options.labels.voxels = grid;
  return options;
}

/// Every voxel numbers its place, modulo the labels that there are.
Sample sample_of(uint8_t labels) {
  Sample sample;
  sample.key = "a";
  sample.labels.voxels = zeros({3, 2, 4}, {.dtype = DType::UInt8});
  sample.labels.voxels_seen = zeros({3, 2, 4}, {.dtype = DType::UInt8});
  for (int64_t i = 0; i < 24; ++i) {
    sample.labels.voxels.data<uint8_t>()[i] = i == 5 ? kIgnoreLabel : static_cast<uint8_t>(i % labels);
    sample.labels.voxels_seen.data<uint8_t>()[i] = static_cast<uint8_t>(i % 4);
  }
  return sample;
}

Sample decoded(const std::string& bytes, const DatasetOptions& options) {
  return decode_record({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, options, {"lmdb", "a"});
}

TEST(VoxelRecord, KeepsLabelsAndWhoHasSeenThem) {
  const DatasetOptions options = reading({"car", "road"});
  const Sample sample = sample_of(3);
  const Sample read = decoded(encode_record(sample, options), options);
  EXPECT_TRUE(same_bytes(read.labels.voxels, sample.labels.voxels));
  EXPECT_TRUE(same_bytes(read.labels.voxels_seen, sample.labels.voxels_seen));
}

TEST(VoxelRecord, ClassesGoByNameAndThoseOfOthersAreNotKnown) {
  const std::string bytes = encode_record(sample_of(4), reading({"car", "road", "cow"}));
  const Sample read = decoded(bytes, reading({"road", "train", "car"}));
  const std::vector<double> labels = read.labels.voxels.to_vector();
  // car, road, cow, free
  EXPECT_THAT(std::vector<double>(labels.begin(), labels.begin() + 4), ElementsAre(2, 0, 255, 3));
  EXPECT_EQ(labels[5], 255);
  EXPECT_FALSE(decoded(bytes, reading({"train"})).labels.voxels.defined());
  EXPECT_FALSE(decoded(bytes, reading({})).labels.voxels.defined());
}

TEST(VoxelRecord, WhatDoesNotFitIsNamed) {
  const DatasetOptions options = reading({"car", "road"});
  const std::string bytes = encode_record(sample_of(3), options);
  VoxelGrid other = kGrid;
  other.levels = 4;
  EXPECT_THAT(error_of([&] { decoded(bytes, reading({"car"}, other)); }),
              HasSubstr("voxels are 3x2x4 of 1 m from (0, 0, -1), the config expects 4x2x4"));
  records::Sample stored;
  ASSERT_TRUE(stored.ParseFromString(bytes));
  const auto changed = [&](const auto& change) {
    records::Sample broken = stored;
    change(*broken.mutable_labels()->mutable_voxels());
    return error_of([&] { decoded(broken.SerializeAsString(), options); });
  };
  EXPECT_THAT(changed([](auto& v) { v.set_labels("no stream"); }), HasSubstr("voxels.labels is damaged"));
  EXPECT_THAT(changed([](auto& v) { v.mutable_classes()->RemoveLast(); }), HasSubstr("expected 0 to 1"));
  EXPECT_THAT(changed([](auto& v) { v.set_seen(v.labels()); }), HasSubstr("voxels.seen"));
  EXPECT_THAT(changed([](auto& v) { v.set_levels(1u << 31); }), HasSubstr("the config expects 3x2x4"));
  Sample wrong = sample_of(3);
  wrong.labels.voxels.data<uint8_t>()[7] = 9;
  EXPECT_THAT(error_of([&] { encode_record(wrong, options); }), HasSubstr("voxel 7 is 9, expected 0 to 2 or 255"));
}

TEST(VoxelBatch, SamplesWithoutVoxelsAreNotKnown) {
  const Sample with = sample_of(3);
  Sample without;
  without.key = "b";
  const Batch batch = collate({without, with}, {true, true}, reading({"car", "road"}));
  ASSERT_EQ(batch.voxels.sizes(), (Shape{2, 3, 2, 4}));
  EXPECT_EQ(batch.voxels.to_vector()[0], 255);
  EXPECT_TRUE(same_bytes(ops::contiguous(ops::select(batch.voxels, 0, 1)), with.labels.voxels));
  EXPECT_FALSE(collate({without}, {true}, reading({"car", "road"})).voxels.defined());
}

TEST(VoxelWalk, PassesTheVoxelsOnTheWay) {
  const auto walk = [](Vec3 from, Vec3 to) {
    std::vector<int64_t> passed;
    walk_voxels(kGrid, from, to, [&](int64_t voxel) {
      passed.push_back(voxel);
      return voxel != 22;
    });
    return passed;
  };
  EXPECT_THAT(walk({0.5, 0.5, -0.5}, {3.5, 0.5, -0.5}), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(walk({-5, 0.5, -0.5}, {1.5, 0.5, -0.5}), ElementsAre(0, 1));
  EXPECT_THAT(walk({3.5, 1.5, 1.5}, {3.5, 1.5, -0.5}), ElementsAre(23, 15, 7));
  EXPECT_THAT(walk({3.5, 1.5, 1.5}, {0.5, 1.5, 1.5}), ElementsAre(23, 22));  // it is told to end there
  EXPECT_THAT(walk({0.2, 0.2, -0.9}, {1.8, 0.4, -0.1}), ElementsAre(0, 1));
  EXPECT_THAT(walk({-5, 5, 0}, {5, 5, 0}), ElementsAre());
  EXPECT_THAT(walk({0.5, 0.5, -3}, {0.5, 0.5, -2}), ElementsAre());
  // In any direction it passes whatever closely spaced places lie in.
  for (int i = 0; i < 200; ++i) {
    const Vec3 from = {std::sin(i) * 6, std::cos(3 * i) * 4, std::sin(5 * i) * 3};
    const Vec3 to = {2 + std::sin(7 * i) * 4, 1 + std::cos(11 * i) * 3, 0.5 + std::sin(13 * i) * 3};
    const std::vector<int64_t> passed = walk(from, to);
    for (double t = 0.0005; t < 1; t += 0.001) {
      const Vec3 p = from + (to - from) * t;
      const double x = std::floor(p.x), y = std::floor(p.y), z = std::floor(p.z + 1);
      if (x < 0 || y < 0 || z < 0 || x >= 4 || y >= 2 || z >= 3) continue;
      const int64_t voxel = kGrid.index(static_cast<int64_t>(z), static_cast<int64_t>(y), static_cast<int64_t>(x));
      if (!passed.empty() && passed.back() == 22) break;
      EXPECT_TRUE(std::ranges::find(passed, voxel) != passed.end()) << i << " at " << t;
    }
  }
}

TEST(VoxelAugmentation, VoxelsAreMirroredTurnedAndScaledWithTheRest) {
  const VoxelGrid grid = {.x_min = -2, .y_min = -2, .z_min = 0, .cell = 1, .levels = 4, .rows = 4, .columns = 4};
  LabelSchema schema = reading({"car"}, grid).labels;
  const auto change = [&](const EgoChange& by) {
    Sample sample;
    sample.labels.voxels = full({4, 4, 4}, 1, {.dtype = DType::UInt8});
    sample.labels.voxels.data<uint8_t>()[grid.index(1, 3, 2)] = 0;  // at (0.5, 1.5, 1.5)
    sample.labels.voxels_seen = full({4, 4, 4}, 3, {.dtype = DType::UInt8});
    change_ego(sample, by, schema);
    return sample;
  };
  const auto car_at = [&](const Sample& sample) {
    const uint8_t* labels = sample.labels.voxels.data<const uint8_t>();
    return std::find(labels, labels + 64, 0) - labels;
  };
  EXPECT_EQ(car_at(change({.mirror = true, .shift = {}})), grid.index(1, 0, 2));
  EXPECT_EQ(car_at(change({.yaw = std::numbers::pi / 2, .shift = {}})), grid.index(1, 2, 0));
  const Sample shifted = change({.shift = {1, 0}});
  EXPECT_EQ(car_at(shifted), grid.index(1, 3, 3));
  EXPECT_EQ(shifted.labels.voxels.data<uint8_t>()[grid.index(2, 2, 0)], kIgnoreLabel);
  EXPECT_EQ(shifted.labels.voxels_seen.data<uint8_t>()[grid.index(2, 2, 0)], 0);
  // Twice as high: what was at 1.5 m is at 3.
  const Sample grown = change({.scale = 2, .shift = {-1, -3}});
  EXPECT_EQ(grown.labels.voxels.data<uint8_t>()[grid.index(3, 2, 2)], 0);
  EXPECT_EQ(grown.labels.voxels.data<uint8_t>()[grid.index(1, 2, 2)], 1);
}

class VoxelScene : public ::testing::Test {
 protected:
  static SceneOptions options() {
    SceneOptions options = small_scene(3, 120, 72);
    options.labels.voxel_classes = {std::begin(full_size::kVoxelClasses), std::end(full_size::kVoxelClasses)};
    options.lidar.points = 30000;
    return options;
  }
  static uint8_t label_of(const Labels& labels, const VoxelGrid& grid, Vec3 p) {
    const auto place = [&](double value, double low) {
      return static_cast<int64_t>(std::floor((value - low) / grid.cell));
    };
    const int64_t x = place(p.x, grid.x_min), y = place(p.y, grid.y_min), z = place(p.z, grid.z_min);
    if (x < 0 || y < 0 || z < 0 || x >= grid.columns || y >= grid.rows || z >= grid.levels) return kIgnoreLabel;
    return labels.voxels.data<const uint8_t>()[grid.index(z, y, x)];
  }
};

TEST_F(VoxelScene, BoxesAreFilledAndWhatTheLidarHitsIsThere) {
  const SceneOptions scene = options();
  const VoxelGrid& grid = scene.labels.voxels;
  int boxes = 0, filled = 0, points = 0, hit = 0;
  for (uint64_t seed = 21; seed < 25; ++seed) {
    SceneDrive drive(scene, seed, 0);
    const Sample sample = *drive.next();
    ASSERT_EQ(sample.labels.voxels.sizes(), (Shape{16, 112, 208}));
    for (const Box3d& box : sample.labels.boxes) {
      if (box.class_id > 2) continue;  // vehicles: large enough that nothing else fills more of their middle
      ++boxes;
      filled += label_of(sample.labels, grid, {box.x, box.y, 0.5}) == box.class_id;
    }
    const float* p = sample.points.data<const float>();
    for (int64_t i = 0; i < sample.points.size(0); ++i, p += 4) {
      const uint8_t label = label_of(sample.labels, grid, {p[0], p[1], p[2]});
      if (label == kIgnoreLabel) continue;
      ++points;
      hit += label < scene.labels.voxel_classes.size();
    }
  }
  EXPECT_GT(boxes, 10);
  EXPECT_EQ(filled, boxes);
  EXPECT_GT(points, 10000);
  // Noise carries some returns of a surface into the free voxel before it.
  EXPECT_GT(hit, points * 9 / 10);
}

TEST_F(VoxelScene, FreespaceIsRoadAndTheGroundHidesWhatLiesBelow) {
  SceneOptions scene = options();
  scene.parking = 0;
  scene.labels.road_classes = {"freespace"};
  const VoxelGrid& grid = scene.labels.voxels;
  SceneDrive drive(scene, 5, 0);
  const Labels labels = drive.next()->labels;
  const uint8_t* seen = labels.voxels_seen.data<const uint8_t>();
  const auto free = static_cast<uint8_t>(scene.labels.voxel_classes.size());
  int64_t road = 0, agree = 0, seen_below = 0, seen_free = 0, seen_road = 0;
  for (int64_t row = 0; row < grid.rows; ++row)
    for (int64_t column = 0; column < grid.columns; ++column) {
      const uint8_t ground = labels.voxels.data<const uint8_t>()[grid.index(2, row, column)];
      EXPECT_NE(ground, free);
      const bool freespace = labels.road.data<const uint8_t>()[(2 * row + 1) * 416 + 2 * column + 1] == 1;
      if (ground == 12 || ground == 13) {
        ++road;
        agree += (ground == 12) == freespace;
      }
      seen_road += ground == 12 && seen[grid.index(2, row, column)];
      seen_below += seen[grid.index(0, row, column)] != 0;
      seen_free += (seen[grid.index(5, row, column)] & kVoxelSeenByCamera) != 0;
    }
  EXPECT_GT(road, 5000);
  EXPECT_GT(agree, road * 97 / 100);
  EXPECT_EQ(seen_below, 0);
  EXPECT_GT(seen_free, 1000);
  EXPECT_GT(seen_road, 500);
}

TEST_F(VoxelScene, WhatStandsBehindAWallIsNotSeen) {
  // A voxel that a camera sees and that is occupied has a free or a border neighbour: nothing looks into a solid.
  SceneOptions scene = options();
  const VoxelGrid& grid = scene.labels.voxels;
  SceneDrive drive(scene, 9, 0);
  const Labels labels = drive.next()->labels;
  const auto free = static_cast<uint8_t>(scene.labels.voxel_classes.size());
  const uint8_t* voxels = labels.voxels.data<const uint8_t>();
  int64_t inside = 0, surface = 0;
  for (int64_t level = 3; level + 1 < grid.levels; ++level)
    for (int64_t row = 1; row + 1 < grid.rows; ++row)
      for (int64_t column = 1; column + 1 < grid.columns; ++column) {
        const int64_t at = grid.index(level, row, column);
        if (voxels[at] >= free || !(labels.voxels_seen.data<const uint8_t>()[at] & kVoxelSeenByCamera)) continue;
        const auto open = [&](int64_t z, int64_t y, int64_t x) { return voxels[grid.index(z, y, x)] >= free; };
        const bool is_surface = open(level + 1, row, column) || open(level - 1, row, column) ||
                                open(level, row + 1, column) || open(level, row - 1, column) ||
                                open(level, row, column + 1) || open(level, row, column - 1);
        ++(is_surface ? surface : inside);
      }
  EXPECT_GT(surface, 300);
  EXPECT_LT(inside, surface / 10);
}

TEST_F(VoxelScene, WithoutClassesNothingIsMadeAndTheRestIsTheSame) {
  SceneOptions scene = options();
  SceneDrive with(scene, 7, 0);
  scene.labels.voxel_classes.clear();
  SceneDrive without(scene, 7, 0);
  const Sample a = *with.next(), b = *without.next();
  EXPECT_FALSE(b.labels.voxels.defined());
  EXPECT_FALSE(b.labels.voxels_seen.defined());
  EXPECT_TRUE(same_bytes(a.points, b.points));
  EXPECT_TRUE(same_bytes(a.cameras[0].image, b.cameras[0].image));
  EXPECT_TRUE(same_bytes(a.labels.visibility, b.labels.visibility));
}

}  // namespace
}  // namespace bevgrad
