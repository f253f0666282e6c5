// Rain, dirt and glare of the scene generator.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "data/scene_rig.h"

namespace bevgrad {
namespace {

using testing::same_bytes;

SceneOptions outdoors(int frames) {
  SceneOptions options = testing::small_scene(frames, 160, 96);
  options.parking = 0;
  options.night = 0;
  options.image_noise = 0;
  return options;
}

std::vector<Sample> frames_of(const SceneOptions& options, uint64_t seed) {
  SceneDrive drive(options, seed, 0);
  std::vector<Sample> frames;
  while (auto sample = drive.next()) frames.push_back(std::move(*sample));
  return frames;
}

/// Mean absolute difference of two pictures a pixel, largest over the channels.
std::vector<int> differences(const CameraImage& a, const CameraImage& b) {
  std::vector<int> result;
  const auto* p = static_cast<const uint8_t*>(a.image.raw_data());
  const auto* q = static_cast<const uint8_t*>(b.image.raw_data());
  for (int64_t i = 0; i < int64_t{1} * a.camera.width * a.camera.height; ++i) {
    int most = 0;
    for (int c = 0; c < 3; ++c) most = std::max(most, std::abs(p[3 * i + c] - q[3 * i + c]));
    result.push_back(most);
  }
  return result;
}

double share_above(const std::vector<int>& values, int limit) {
  return static_cast<double>(std::count_if(values.begin(), values.end(), [&](int v) { return v > limit; })) /
         static_cast<double>(values.size());
}

void expect_same_labels(const Sample& a, const Sample& b) {
  EXPECT_TRUE(same_bytes(a.labels.lane, b.labels.lane));
  EXPECT_TRUE(same_bytes(a.labels.road, b.labels.road));
  EXPECT_EQ(a.labels.boxes.size(), b.labels.boxes.size());
  EXPECT_EQ(a.ego_pose, b.ego_pose);
}

TEST(SceneWeather, DirtStaysWhereItIs) {
  SceneOptions options = outdoors(3);
  const auto clean = frames_of(options, 5);
  options.dirt = 1;
  const auto dirty = frames_of(options, 5);
  std::vector<std::vector<int>> changed;
  for (size_t f = 0; f < clean.size(); ++f) {
    expect_same_labels(clean[f], dirty[f]);
    EXPECT_TRUE(same_bytes(clean[f].labels.visibility, dirty[f].labels.visibility));
    EXPECT_TRUE(same_bytes(clean[f].points, dirty[f].points));
    changed.push_back(differences(clean[f].cameras[0], dirty[f].cameras[0]));
    EXPECT_GT(share_above(changed.back(), 5), 0.003);
    EXPECT_LT(share_above(changed.back(), 0), 0.4) << "the rest of the picture is as it was";
  }
  int marked = 0, again = 0;
  for (size_t i = 0; i < changed[0].size(); ++i) {
    if (changed[0][i] <= 25) continue;
    ++marked;
    again += changed[1][i] > 0 && changed[2][i] > 0;
  }
  EXPECT_GT(again, marked * 0.95) << "of " << marked;
  EXPECT_GT(share_above(differences(clean[0].cameras[1], dirty[0].cameras[1]), 5), 0) << "every lens is dirty";
}

TEST(SceneWeather, RainFallsAndDropsGo) {
  SceneOptions options = outdoors(12);
  const auto dry = frames_of(options, 6);
  options.rain = 1;
  const auto wet = frames_of(options, 6);
  for (size_t f = 0; f < dry.size(); ++f) expect_same_labels(dry[f], wet[f]);
  EXPECT_GT(share_above(differences(dry[0].cameras[0], wet[0].cameras[0]), 8), 0.2);
  EXPECT_GT(share_above(differences(wet[0].cameras[0], wet[1].cameras[0]), 8), 0.01);
  options.parking = 1;
  for (uint64_t seed = 1; seed < 12; ++seed) {
    SceneDrive drive(options, seed, 0);
    if (!drive.layout().indoor) continue;
    SceneOptions fair = options;
    fair.rain = 0;
    EXPECT_TRUE(same_bytes(frames_of(options, seed)[0].cameras[0].image, frames_of(fair, seed)[0].cameras[0].image))
        << "it rains outdoors alone";
    return;
  }
  FAIL() << "no garage";
}

TEST(SceneWeather, GlareIsBrightestAtTheSun) {
  SceneOptions options = outdoors(1);
  int glaring = 0;
  for (uint64_t seed = 1; seed < 7; ++seed) {
    options.glare = 0;
    const auto plain = frames_of(options, seed);
    options.glare = 1;
    const auto glare = frames_of(options, seed);
    expect_same_labels(plain[0], glare[0]);
    for (size_t camera = 0; camera < 2; ++camera) {
      const auto* p = static_cast<const uint8_t*>(glare[0].cameras[camera].image.raw_data());
      const int64_t pixels = int64_t{160} * 96;
      int64_t white = 0;
      for (int64_t i = 0; i < pixels; ++i) white += p[3 * i] > 248 && p[3 * i + 1] > 240;
      glaring += white > 3 && white < pixels / 2;
    }
  }
  EXPECT_GE(glaring, 3) << "of 12 cameras that look ahead or back";
}

TEST(SceneWeather, IsDrawnByShares) {
  SceneOptions options = outdoors(1);
  options.cameras.resize(1);
  options.has_lidar = false;
  int changed = 0;
  for (uint64_t seed = 1; seed < 21; ++seed) {
    options.dirt = 0;
    const auto clean = frames_of(options, seed);
    options.dirt = 0.5;
    changed += !same_bytes(clean[0].cameras[0].image, frames_of(options, seed)[0].cameras[0].image);
  }
  EXPECT_GT(changed, 4);
  EXPECT_LT(changed, 16);
  options.dirt = 1.5;
  EXPECT_THROW(validate(options), UsageError);
}

}  // namespace
}  // namespace bevgrad
