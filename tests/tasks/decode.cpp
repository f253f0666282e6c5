#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "tasks/centre/peaks.h"
#include "tasks/dynamic_boxes/boxes.h"
#include "tasks/static_map/instances.h"
#include "tensor/ops.h"

namespace bevgrad {
namespace {

constexpr float kPi = std::numbers::pi_v<float>;
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

void put(Tensor& map, int64_t n, int64_t c, int64_t y, int64_t x, float value) {
  map.data<float>()[n * map.stride(0) + c * map.stride(1) + y * map.stride(2) + x * map.stride(3)] = value;
}

float logit(float p) {
  return std::log(p / (1 - p));
}

Tensor cold_heatmap(int64_t samples, int64_t classes, MemoryFormat format = MemoryFormat::ChannelsLast) {
  return full({samples, classes, 12, 20}, -9.0, {.format = format});
}

TEST(Peaks, AreTheHighestOfTheirNeighbourhoodBestFirst) {
  Tensor map = cold_heatmap(2, 2);
  put(map, 1, 0, 3, 4, logit(0.6f));
  put(map, 1, 0, 3, 5, logit(0.5f));   // beside a higher one
  put(map, 1, 0, 4, 5, logit(0.55f));  // diagonally beside a higher one
  put(map, 1, 1, 0, 0, logit(0.9f));   // in a corner
  put(map, 1, 1, 11, 19, kNaN);
  const auto peaks = heatmap_peaks(map, 1, 100, 0.1f);
  ASSERT_EQ(peaks.size(), 2u);
  EXPECT_EQ(peaks[0].class_id, 1);
  EXPECT_EQ(peaks[0].row, 0);
  EXPECT_NEAR(peaks[0].score, 0.9f, 1e-6);
  EXPECT_EQ(peaks[1].row, 3);
  EXPECT_EQ(peaks[1].column, 4);
  EXPECT_TRUE(heatmap_peaks(map, 0, 100, 0.1f).empty());
  EXPECT_EQ(heatmap_peaks(map, 1, 1, 0.1f).size(), 1u);
}

TEST(Nms, SuppressesWithinAClassOnly) {
  const std::vector<RotatedBox> boxes = {{0, 0, 4, 2, 0}, {0.5, 0, 4, 2, 0}, {0.5, 0, 4, 2, 0}, {10, 0, 4, 2, 0}};
  const std::vector<int64_t> classes = {0, 0, 1, 0};
  EXPECT_EQ(rotated_nms(boxes, classes, 0.2), (std::vector<size_t>{0, 2, 3}));
  // IoU of the first two is 3.5 / 4.5.
  EXPECT_EQ(rotated_nms(boxes, classes, 0.8), (std::vector<size_t>{0, 1, 2, 3}));
}

TEST(Nms, SeesThatCrossedBoxesOverlapLittle) {
  // A cross of two 10 x 1 bars: 1 / 19.
  const std::vector<RotatedBox> boxes = {{0, 0, 10, 1, 0}, {0, 0, 10, 1, kPi / 2}};
  EXPECT_EQ(rotated_nms(boxes, std::vector<int64_t>{0, 0}, 0.2).size(), 2u);
}

TEST(FoldedAngle, KeepsItsHalfOpenRanges) {
  constexpr double pi = std::numbers::pi;
  EXPECT_DOUBLE_EQ(folded_angle(-pi, false), pi);
  EXPECT_DOUBLE_EQ(folded_angle(pi, false), pi);
  EXPECT_NEAR(folded_angle(3.0 * pi / 4, true), -pi / 4, 1e-12);
  EXPECT_NEAR(folded_angle(-3.0 * pi / 4, true), pi / 4, 1e-12);
  EXPECT_NEAR(folded_angle(pi, true), 0, 1e-12);
  EXPECT_DOUBLE_EQ(folded_angle(pi / 2, true), pi / 2);
  EXPECT_DOUBLE_EQ(folded_angle(-pi / 2, true), pi / 2);
}

TEST(DecodeInstances, PlacesABoxInMetres) {
  for (const auto format : {MemoryFormat::Contiguous, MemoryFormat::ChannelsLast}) {
    Tensor heat = cold_heatmap(1, 4, format), box = zeros({1, 6, 12, 20}, {.format = format});
    put(heat, 0, 2, 5, 7, logit(0.8f));
    const float values[6] = {0.25f, -0.5f, std::log(5.0f), std::log(2.5f), std::sin(2.5f), std::cos(2.5f)};
    for (int c = 0; c < 6; ++c) put(box, 0, c, 5, 7, values[c]);
    const auto decoded = decode_instances(heat, box);
    ASSERT_EQ(decoded.instances.sizes(), (Shape{1, 100, 6}));
    ASSERT_EQ(decoded.scores.sizes(), (Shape{1, 100}));
    const auto rows = decoded.instances.to_vector();
    EXPECT_NEAR(rows[0], -20.8 + 7.75 * 0.4, 1e-5);
    EXPECT_NEAR(rows[1], -22.4 + 5.0 * 0.4, 1e-5);
    EXPECT_NEAR(rows[2], 5.0, 1e-5);
    EXPECT_NEAR(rows[3], 2.5, 1e-5);
    EXPECT_NEAR(rows[4], 2.5 - kPi, 1e-5);  // a parking slot looks the same turned by pi
    EXPECT_EQ(rows[5], 2);
    EXPECT_NEAR(decoded.scores.to_vector()[0], 0.8, 1e-6);
    for (int i = 6; i < 11; ++i) EXPECT_TRUE(std::isnan(rows[i]));
    EXPECT_EQ(rows[11], -1);
    EXPECT_TRUE(std::isnan(decoded.scores.to_vector()[1]));
  }
}

TEST(DecodeInstances, KeepsADirectedClassesAngle) {
  Tensor heat = cold_heatmap(1, 4), box = zeros({1, 6, 12, 20});
  put(heat, 0, 1, 5, 7, logit(0.8f));
  put(box, 0, 4, 5, 7, std::sin(2.5f));
  put(box, 0, 5, 5, 7, std::cos(2.5f));
  EXPECT_NEAR(decode_instances(heat, box).instances.to_vector()[4], 2.5, 1e-5);
}

TEST(DecodeInstances, SuppressesOverlapsAndDropsWhatIsNotFinite) {
  Tensor heat = cold_heatmap(2, 4), box = zeros({2, 6, 12, 20});
  for (int64_t n = 0; n < 2; ++n)
    for (int64_t y = 0; y < 12; ++y)
      for (int64_t x = 0; x < 20; ++x) {
        put(box, n, 2, y, x, std::log(4.0f));
        put(box, n, 3, y, x, std::log(4.0f));
        put(box, n, 5, y, x, 1);
      }
  put(heat, 1, 0, 5, 5, logit(0.7f));
  put(heat, 1, 0, 5, 8, logit(0.9f));   // 1.2 m away: IoU 2.8/5.2
  put(heat, 1, 0, 5, 18, logit(0.8f));  // clear of both
  put(heat, 1, 3, 5, 5, logit(0.5f));   // another class
  put(heat, 1, 3, 10, 10, logit(0.6f));
  put(box, 1, 2, 10, 10, kNaN);
  const auto decoded = decode_instances(heat, box);
  const auto scores = decoded.scores.to_vector();
  EXPECT_NEAR(scores[100], 0.9, 1e-6);
  EXPECT_NEAR(scores[101], 0.8, 1e-6);
  EXPECT_NEAR(scores[102], 0.5, 1e-6);
  EXPECT_TRUE(std::isnan(scores[103]));
  EXPECT_TRUE(std::isnan(scores[0]));
}

TEST(DecodeInstances, SaysWhatDoesNotFit) {
  EXPECT_THROW(decode_instances(cold_heatmap(1, 4), zeros({1, 5, 12, 20})), Error);
  EXPECT_THROW(decode_instances(cold_heatmap(1, 4), zeros({1, 6, 12, 21})), Error);
  EXPECT_THROW(decode_instances(cold_heatmap(1, 3), zeros({1, 6, 12, 20})), Error);
}

TEST(DecodeBoxes, PlacesABoxInMetres) {
  Tensor heat = cold_heatmap(1, 8);
  std::map<std::string, Tensor> maps = {{"heatmap", heat},
                                        {"reg", full({1, 2, 12, 20}, 0.25)},
                                        {"height", full({1, 1, 12, 20}, 0.9)},
                                        {"dim", zeros({1, 3, 12, 20})},
                                        {"rot", zeros({1, 2, 12, 20})},
                                        {"vel", full({1, 2, 12, 20}, 1.5)}};
  put(heat, 0, 5, 2, 10, logit(0.4f));
  put(maps["dim"], 0, 0, 2, 10, std::log(4.5f));
  put(maps["dim"], 0, 1, 2, 10, std::log(1.8f));
  put(maps["dim"], 0, 2, 2, 10, std::log(1.5f));
  put(maps["rot"], 0, 0, 2, 10, -1);  // sin
  const Tensor decoded = decode_boxes(maps);
  ASSERT_EQ(decoded.sizes(), (Shape{1, 100, 11}));
  const auto row = decoded.to_vector();
  const double expected[11] = {-20.8 + 10.25 * 0.8, -22.4 + 2.25 * 0.8, 0.9, 4.5, 1.8, 1.5, -kPi / 2, 1.5, 1.5, 0.4, 5};
  for (int i = 0; i < 11; ++i) EXPECT_NEAR(row[i], expected[i], 1e-5) << i;
  EXPECT_EQ(row[21], -1);
  EXPECT_TRUE(std::isnan(row[11]));
  maps.erase("dim");
  EXPECT_THROW(decode_boxes(maps), Error);
}

TEST(Peaks, OnTheThresholdAndOnAPlateauCount) {
  Tensor map = cold_heatmap(1, 1);
  put(map, 0, 0, 3, 4, 0);  // a score of 0.5
  put(map, 0, 0, 3, 5, 0);  // its equal beside it
  EXPECT_EQ(heatmap_peaks(map, 0, 100, 0.5f).size(), 2u);
  EXPECT_TRUE(heatmap_peaks(map, 0, 100, std::nextafter(0.5f, 1.0f)).empty());
}

TEST(Nms, AnOverlapOfTheThresholdIsKept) {
  // One within the other, of half its area.
  const std::vector<RotatedBox> boxes = {{0, 0, 4, 2, 0}, {0, 0, 4, 1, 0}};
  const std::vector<int64_t> classes = {0, 0};
  EXPECT_EQ(rotated_nms(boxes, classes, 0.5).size(), 2u);
  EXPECT_EQ(rotated_nms(boxes, classes, 0.4999).size(), 1u);
}

TEST(DecodeInstances, ASizeBeyondAllReasonStaysFinite) {
  Tensor heat = cold_heatmap(1, 4), box = zeros({1, 6, 12, 20});
  put(heat, 0, 0, 5, 7, 3);
  put(box, 0, 2, 5, 7, 1000);
  put(box, 0, 3, 5, 7, -1000);
  const auto rows = decode_instances(heat, box).instances.to_vector();
  EXPECT_NEAR(rows[2] / std::exp(20.0), 1, 1e-6);
  EXPECT_NEAR(rows[3] / std::exp(-20.0), 1, 1e-6);
}

/// Maps of boxes of 2 x 2 m at the cells of one row, best first.
std::map<std::string, Tensor> row_of_boxes(const std::vector<int64_t>& columns) {
  std::map<std::string, Tensor> maps = {{"heatmap", cold_heatmap(1, 1)},
                                        {"reg", zeros({1, 2, 12, 20})},
                                        {"height", zeros({1, 1, 12, 20})},
                                        {"dim", full({1, 3, 12, 20}, std::log(2.0))},
                                        {"rot", zeros({1, 2, 12, 20})}};
  for (size_t i = 0; i < columns.size(); ++i)
    put(maps["heatmap"], 0, 0, 5, columns[i], 4 - 0.5f * static_cast<float>(i));
  return maps;
}

TEST(DecodeBoxes, GivesTheBestOfThoseThatSuppressionLeaves) {
  BoxDecodeOptions options;
  options.max_boxes = 2;
  // The second is 1.6 m from the first: IoU 0.4 / 3.6; at 0.1 it is suppressed and the third takes its place.
  options.nms_iou = 0.1;
  const Tensor decoded = decode_boxes(row_of_boxes({2, 4, 8, 12}), options);
  ASSERT_EQ(decoded.sizes(), (Shape{1, 2, 11}));
  const auto rows = decoded.to_vector();
  EXPECT_NEAR(rows[0], options.x_min + 2 * options.cell, 1e-5);
  EXPECT_NEAR(rows[11], options.x_min + 8 * options.cell, 1e-5);
  EXPECT_EQ(rows[7], 0) << "without a map of velocities they are 0";
  options.nms_iou = 0.2;
  EXPECT_NEAR(decode_boxes(row_of_boxes({2, 4, 8, 12}), options).to_vector()[11], options.x_min + 4 * options.cell,
              1e-5);
  options.score_threshold = 0.975f;  // of 4, 3.5, ..: the sigmoid of 3.5 is 0.971
  EXPECT_EQ(decode_boxes(row_of_boxes({2, 4, 8, 12}), options).to_vector()[21], -1);
}

TEST(DecodeBoxes, ASampleWithMoreBoxesThanRowsLeavesItsNeighbourAlone) {
  BoxDecodeOptions options;
  options.max_boxes = 2;
  auto maps = row_of_boxes({2, 8, 14});
  for (auto& [name, map] : maps) map = ops::cat({map, full(map.sizes(), name == "heatmap" ? -9 : 0)}, 0);
  const auto rows = decode_boxes(maps, options).to_vector();
  ASSERT_EQ(rows.size(), 2u * 2 * 11);
  EXPECT_NEAR(rows[11], options.x_min + 8 * options.cell, 1e-5);
  for (size_t i = 22; i < rows.size(); ++i) {
    if (i % 11 == 10)
      EXPECT_EQ(rows[i], -1);
    else
      EXPECT_TRUE(std::isnan(rows[i])) << i;
  }
}

TEST(DecodeBoxes, EachVelocityIsItsOwnChannel) {
  auto maps = row_of_boxes({3});
  maps["vel"] = zeros({1, 2, 12, 20});
  put(maps["vel"], 0, 0, 5, 3, 1.25f);
  put(maps["vel"], 0, 1, 5, 3, -2.5f);
  const auto rows = decode_boxes(maps).to_vector();
  EXPECT_EQ(rows[7], 1.25);
  EXPECT_EQ(rows[8], -2.5);
}

}  // namespace
}  // namespace bevgrad
