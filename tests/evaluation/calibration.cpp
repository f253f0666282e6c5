#include "evaluation/calibration.h"

#include <gtest/gtest.h>

#include <cmath>

namespace bevgrad {
namespace {

/// Cells whose truth follows a given calibration exactly, as far as whole cells can.
LogitHistogram cells_of(const Calibration& truth, double cells_a_bin = 1e6) {
  LogitHistogram histogram;
  std::vector<int64_t> counts = histogram.state();
  for (int bin = 80; bin < 180; ++bin) {
    const double p = truth(1 / (1 + std::exp(-LogitHistogram::logit(bin))));
    counts[static_cast<size_t>(bin) * 2 + 1] = std::llround(p * cells_a_bin);
    counts[static_cast<size_t>(bin) * 2] = std::llround((1 - p) * cells_a_bin);
  }
  histogram.set_state(counts);
  return histogram;
}

TEST(Calibration, IsFoundAgain) {
  for (const Calibration truth : {Calibration{1, 0}, Calibration{2.5, 1.25}, Calibration{0.4, -3}}) {
    const auto fitted = fit_calibration(cells_of(truth));
    ASSERT_TRUE(fitted);
    EXPECT_NEAR(fitted->temperature, truth.temperature, 1e-3 * truth.temperature);
    EXPECT_NEAR(fitted->bias, truth.bias, 5e-3);
    EXPECT_NEAR((*fitted)(fitted->threshold()), 0.5, 1e-9);
  }
}

TEST(Calibration, MakesProbabilitiesMeanWhatTheySay) {
  const auto cells = cells_of({3, 2});
  Reliability raw, calibrated;
  raw.add(cells);
  calibrated.add(cells, *fit_calibration(cells));
  EXPECT_GT(*raw.error(), 0.1);
  EXPECT_LT(*calibrated.error(), 1e-3);
}

TEST(Calibration, NeedsBothLabelsAndProbabilitiesThatRise) {
  EXPECT_FALSE(fit_calibration({}));
  LogitHistogram one;
  ProbabilityRaster p(1, 1, 4, 0.3f);
  LabelRaster label(1, 1, 4, 1);
  one.add(p, label);
  EXPECT_FALSE(fit_calibration(one));
  LogitHistogram falling;
  p.values = {0.1f, 0.2f, 0.8f, 0.9f};
  label.values = {1, 1, 0, 0};
  falling.add(p, label);
  EXPECT_FALSE(fit_calibration(falling));
}

TEST(LogitHistogram, CountsWhatIsJudged) {
  LogitHistogram histogram;
  ProbabilityRaster p(1, 1, 6);
  p.values = {0.0f, 1.0f, 0.5f, NAN, 0.5f, 0.5f};
  LabelRaster label(1, 1, 6);
  label.values = {0, 1, 1, 1, 255, 0};
  histogram.add(p, label);
  EXPECT_EQ(histogram.cells(0, false), 1);
  EXPECT_EQ(histogram.cells(LogitHistogram::kBins - 1, true), 1);
  const int middle = LogitHistogram::kBins / 2;
  EXPECT_EQ(LogitHistogram::logit(middle), 0);
  EXPECT_EQ(histogram.cells(middle, true), 1);
  EXPECT_EQ(histogram.cells(middle, false), 1);
  int64_t all = 0;
  for (const int64_t count : histogram.state()) all += count;
  EXPECT_EQ(all, 4);
  EXPECT_THROW(histogram.set_state({1, 2}), std::exception);
}

TEST(Reliability, PutsCellsIntoTenths) {
  LogitHistogram histogram;
  ProbabilityRaster p(1, 1, 4, 0.15f);
  LabelRaster label(1, 1, 4, 0);
  label.values[0] = 1;
  histogram.add(p, label);
  Reliability reliability;
  reliability.add(histogram);
  EXPECT_EQ(reliability.bins[1].cells, 4);
  EXPECT_DOUBLE_EQ(*reliability.bins[1].observed(), 0.25);
  EXPECT_NEAR(*reliability.bins[1].mean_probability(), 0.15, 0.01);
  EXPECT_FALSE(reliability.bins[5].observed());
  EXPECT_NEAR(*reliability.error(), 0.1, 0.01);
}

TEST(Reliability, HasTenBinsOfATenthEach) {
  LogitHistogram histogram;
  ProbabilityRaster p(1, 1, 10, 0);
  LabelRaster label(1, 1, 10, 0);
  for (int i = 0; i < 10; ++i) {
    p.values[static_cast<size_t>(i)] = static_cast<float>(0.05 + 0.1 * i);
    label.values[static_cast<size_t>(i)] = i % 2 == 1;
  }
  histogram.add(p, label);
  Reliability reliability;
  reliability.add(histogram);
  for (int i = 0; i < 10; ++i) {
    const auto& bin = reliability.bins[static_cast<size_t>(i)];
    EXPECT_EQ(bin.cells, 1) << i;
    EXPECT_EQ(bin.true_cells, i % 2) << i;
    EXPECT_NEAR(*bin.mean_probability(), 0.05 + 0.1 * i, 0.016) << i;
  }
  // Beyond both ends.
  Reliability ends;
  LogitHistogram certain;
  p.values.assign(10, 1.0f);
  p.values[0] = 0;
  certain.add(p, label);
  ends.add(certain);
  EXPECT_EQ(ends.bins[0].cells, 1);
  EXPECT_EQ(ends.bins[9].cells, 9);
}

TEST(Calibration, ItsThresholdIsWhereItGivesOneHalf) {
  for (const Calibration& calibration : {Calibration{2, 0.7}, Calibration{0.5, -1.3}})
    EXPECT_NEAR(calibration(calibration.threshold()), 0.5, 1e-12);
}

}  // namespace
}  // namespace bevgrad
