#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "evaluation/iou.h"

namespace bevgrad {
namespace {

ProbabilityRaster probabilities(std::vector<float> values) {
  ProbabilityRaster raster(1, 1, static_cast<int64_t>(values.size()));
  raster.values = std::move(values);
  return raster;
}

LabelRaster labels(std::vector<uint8_t> values, int64_t channels = 1) {
  LabelRaster raster(channels, 1, static_cast<int64_t>(values.size()) / channels);
  raster.values = std::move(values);
  return raster;
}

TEST(Iou, CountsByHand) {
  IouAccumulator iou({"Wall"});
  //             hit   miss  false  ignored  right absence, exactly at 0.5
  iou.add(probabilities({0.9f, 0.1f, 0.7f, 0.99f, 0.2f, 0.5f}), labels({1, 1, 0, 255, 0, 1}), {});
  const auto counts = iou.counts(0, kAllCells);
  EXPECT_EQ(counts.intersection, 2);
  EXPECT_EQ(counts.predicted, 3);
  EXPECT_EQ(counts.truth, 3);
  EXPECT_DOUBLE_EQ(*counts.iou(), 2.0 / 4.0);
  // At 0.75 only the hit remains: 1 / 3; at 0.1 everything true and two false: 3 / 5.
  EXPECT_DOUBLE_EQ(*iou.counts(0, kAllCells, static_cast<float>(0.75)).iou(), 1.0 / 3.0);
  EXPECT_DOUBLE_EQ(*iou.counts(0, kAllCells, 0.1f).iou(), 3.0 / 5.0);
  EXPECT_DOUBLE_EQ(*iou.best(0, kAllCells).iou, 3.0 / 5.0);
  EXPECT_DOUBLE_EQ(iou.best(0, kAllCells).threshold, 0.05);
}

TEST(Iou, EveryThresholdIsInclusiveAsFloat32) {
  const IouAccumulator like({}, 0.42f);
  for (const float threshold : like.thresholds()) {
    IouAccumulator iou({"Wall"}, 0.42f);
    iou.add(probabilities({threshold, std::nextafterf(threshold, 0.0f)}), labels({1, 1}), {});
    EXPECT_EQ(iou.counts(0, kAllCells, threshold).intersection, 1) << threshold;
  }
}

TEST(Iou, WhatNeverOccursIsNotAvailable) {
  IouAccumulator iou({"Wall", "Curb"});
  ProbabilityRaster p(2, 1, 2);
  p.values = {0.9f, 0.9f, 0.1f, 0.1f};
  iou.add(p, labels({1, 0, 0, 0}, 2), {});
  EXPECT_FALSE(iou.counts(1, kAllCells).iou());
  EXPECT_FALSE(iou.best(1, kAllCells).iou);
  EXPECT_DOUBLE_EQ(*iou.mean_iou(kAllCells), 0.5);  // Curb leaves the mean
  IouAccumulator nothing({"Wall"});
  nothing.add(probabilities({0.9f}), labels({255}), {});
  EXPECT_FALSE(nothing.mean_iou(kAllCells));
}

TEST(Iou, SplitsByVisibility) {
  IouAccumulator iou({"Wall"});
  // camera now, LiDAR now, seen in the window
  const auto strata = strata_of(labels({1, 0, 0, 0, 0, 1, 0, 0, 1, 1, 1, 0}, 3));
  EXPECT_EQ(strata, (std::vector<Stratum>{kSeenNow, kSeenNow, kHiddenNow, kNeverSeen}));
  EXPECT_EQ(strata_of(labels({0, 1, 1}, 3), false)[0], kHiddenNow);
  iou.add(probabilities({0.9f, 0.1f, 0.9f, 0.9f}), labels({1, 1, 1, 0}), strata);
  EXPECT_DOUBLE_EQ(*iou.counts(0, kSeenNow).iou(), 0.5);
  EXPECT_DOUBLE_EQ(*iou.counts(0, kHiddenNow).iou(), 1.0);
  EXPECT_FALSE(iou.counts(0, kNeverSeen).iou());  // the class does not occur there
  EXPECT_EQ(iou.counts(0, kNeverSeen).predicted, 1);
  EXPECT_DOUBLE_EQ(*iou.counts(0, kAllCells).iou(), 0.5);
}

TEST(Iou, AddsUpOverFramesAndRanks) {
  IouAccumulator whole({"Wall"}), first({"Wall"}), second({"Wall"});
  const auto p = probabilities({0.9f, 0.2f, 0.6f}), q = probabilities({0.3f, 0.8f, 0.5f});
  const auto l = labels({1, 0, 0});
  whole.add(p, l, {});
  whole.add(q, l, {});
  first.add(p, l, {});
  second.add(q, l, {});
  first.merge(second);
  EXPECT_EQ(first.state(), whole.state());
  IouAccumulator restored({"Wall"});
  restored.set_state(whole.state());
  EXPECT_EQ(restored.counts(0, kAllCells).iou(), whole.counts(0, kAllCells).iou());
  EXPECT_THROW(first.merge(IouAccumulator({"Curb"})), Error);
}

TEST(Iou, NaNIsNeverPredicted) {
  IouAccumulator iou({"Wall"});
  const float nan = std::numeric_limits<float>::quiet_NaN();
  iou.add(probabilities({nan, std::numeric_limits<float>::infinity(), 2.0f}), labels({1, 1, 0}), {});
  EXPECT_EQ(iou.counts(0, kAllCells, static_cast<float>(0.05)).predicted, 2);
  EXPECT_EQ(iou.counts(0, kAllCells, static_cast<float>(0.05)).intersection, 1);
}

TEST(Iou, RefusesWhatDoesNotFit) {
  IouAccumulator iou({"Wall"});
  EXPECT_THROW(iou.add(probabilities({0.5f}), labels({1, 1}), {}), Error);
  EXPECT_THROW(iou.add(probabilities({0.5f}), labels({7}), {}), Error);
  EXPECT_THROW(iou.add(probabilities({0.5f}), labels({1}), {kSeenNow, kSeenNow}), Error);
}

TEST(Rasters, ReadEveryLayout) {
  const Tensor last = empty({2, 3, 4, 5}, {.format = MemoryFormat::ChannelsLast});
  for (int64_t n = 0; n < 2; ++n)
    for (int64_t c = 0; c < 3; ++c)
      for (int64_t y = 0; y < 4; ++y)
        for (int64_t x = 0; x < 5; ++x)
          last.data<float>()[n * last.stride(0) + c * last.stride(1) + y * last.stride(2) + x * last.stride(3)] =
              static_cast<float>(((n * 3 + c) * 4 + y) * 5 + x);
  const auto raster = float_raster(last, 1);
  for (size_t i = 0; i < raster.values.size(); ++i) EXPECT_EQ(raster.values[i], 60.0f + static_cast<float>(i));
  EXPECT_FLOAT_EQ(sigmoid_raster(zeros({1, 1, 1, 1})).at(0, 0, 0), 0.5f);
  EXPECT_THROW(float_raster(last, 2), Error);
  EXPECT_THROW(label_raster(last), Error);
}

}  // namespace
}  // namespace bevgrad
