#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <random>

#include "evaluation/series.h"
#include "geometry/polyline.h"
#include "internal/thinning.h"

namespace bevgrad {
namespace {

/// '#' is set.
std::vector<uint8_t> mask_of(const std::vector<std::string>& rows) {
  std::vector<uint8_t> mask;
  for (const auto& row : rows)
    for (const char c : row) mask.push_back(c == '#');
  return mask;
}

std::vector<std::string> picture_of(const std::vector<uint8_t>& mask, size_t columns) {
  std::vector<std::string> rows;
  for (size_t i = 0; i < mask.size(); ++i) {
    if (i % columns == 0) rows.emplace_back();
    rows.back() += mask[i] ? '#' : '.';
  }
  return rows;
}

TEST(Thinning, LeavesAThickBarsMiddle) {
  const std::vector<std::string> bar = {"..........", ".########.", ".########.", ".########.", ".........."};
  EXPECT_EQ(picture_of(thin_guo_hall(mask_of(bar), 5, 10), 10),
            (std::vector<std::string>{"..........", "..........", "..######..", "..........", ".........."}));
}

TEST(Thinning, KeepsWhatIsThinAndThinsTheBorder) {
  const std::vector<std::string> line = {"#....", ".#...", "..#..", "...##"};
  EXPECT_EQ(picture_of(thin_guo_hall(mask_of(line), 4, 5), 5), line);
  const std::vector<uint8_t> full(6 * 9, 1);
  const auto thin = thin_guo_hall(full, 6, 9);
  EXPECT_LT(std::count(thin.begin(), thin.end(), 1), 9);
  EXPECT_GT(std::count(thin.begin(), thin.end(), 1), 0);
  EXPECT_TRUE(thin_guo_hall({}, 0, 0).empty());
}

TEST(NearestCell, AtAQuarterMetreIsTheCellAndItsFourNeighbours) {
  EXPECT_EQ(NearestCell(0.25, 0.2).num_offsets(), 5u);
  EXPECT_EQ(NearestCell(0.29, 0.2).num_offsets(), 9u);
  EXPECT_EQ(NearestCell(0.6, 0.2).num_offsets(), 29u);  // 0.6 / 0.2 is below 3 in float64
  const auto mask = mask_of({"#..", "..#", "..."});
  const NearestCell nearest(0.45, 0.2);
  EXPECT_EQ(nearest(mask, 3, 3, 1, 1).cell, 5);
  EXPECT_NEAR(nearest(mask, 3, 3, 1, 1).distance, 0.2, 1e-12);
  EXPECT_EQ(nearest(mask, 3, 3, 2, 0).cell, 0);
  EXPECT_EQ(NearestCell(0.25, 0.2)(mask, 3, 3, 1, 1).cell, 5);
  EXPECT_EQ(NearestCell(0.25, 0.2)(mask, 3, 3, 2, 0).cell, -1);
  EXPECT_THROW(NearestCell(0, 0.2), Error);
}

/// 4 x 8 cells of 0.2 m: x 0..1.6, y 0..0.8.
SeriesAccumulator::Options small_options(std::vector<std::string> classes, std::vector<bool> line, bool other = false) {
  SeriesAccumulator::Options options;
  options.classes = std::move(classes);
  options.line = std::move(line);
  options.with_other = other;
  options.conf = {0.9, 0.7};
  options.grid.x_min = options.grid.y_min = 0;
  options.grid.x_max = 1.6;
  options.grid.y_max = 0.8;
  options.ranges = {{"all", 0, 0.8, 0, 1.6}, {"near", 0, 0.8, 0, 0.8}, {"beyond", 0, 0.8, 0.8, 9}, {"off", 5, 6, 0, 1}};
  return options;
}

ProbabilityRaster probabilities_of(const std::vector<std::string>& planes, int64_t channels) {
  ProbabilityRaster raster(channels, 4, 8);
  size_t i = 0;
  for (const auto& row : planes)
    for (const char c : row) raster.values[i++] = c == '#' ? 0.95f : c == '+' ? 0.8f : c == '?' ? NAN : 0.1f;
  return raster;
}

LabelRaster labels_of(const std::vector<std::string>& planes, int64_t channels) {
  LabelRaster raster(channels, 4, 8);
  size_t i = 0;
  for (const auto& row : planes)
    for (const char c : row) raster.values[i++] = c == '#' ? 1 : c == 'x' ? 255 : 0;
  return raster;
}

TEST(Series, CountsByHand) {
  SeriesAccumulator series(small_options({"Curb"}, {true}));
  series.add("7", probabilities_of({"........", "####++..", "........", "........"}, 1),
             labels_of({"........", "........", "..#####.", "........"}, 1), {});
  // At 0.9: 4 predicted in columns 0-3, of which columns 2, 3 have a true cell straight below; of the 5 true cells
  // (columns 2-6) columns 2 and 3 are found.
  const auto strict = series.counts(0, 0, 0, kAllCells);
  EXPECT_EQ(strict.predicted, 4);
  EXPECT_EQ(strict.right, 2);
  EXPECT_EQ(strict.truth, 5);
  EXPECT_EQ(strict.found, 2);
  EXPECT_DOUBLE_EQ(*strict.precision(), 0.5);
  EXPECT_DOUBLE_EQ(*strict.recall(), 0.4);
  EXPECT_DOUBLE_EQ(*strict.f1(), 2 * 0.5 * 0.4 / 0.9);
  EXPECT_NEAR(*strict.mean_distance(), 0.2, 1e-12);
  // At 0.7: 6 predicted, 4 right, 4 of 5 found.
  const auto loose = series.counts(1, 0, 0, kAllCells);
  EXPECT_EQ(loose.predicted, 6);
  EXPECT_EQ(loose.right, 4);
  EXPECT_EQ(loose.found, 4);
}

TEST(Series, ACellCountsInTheRangeInWhichItLies) {
  SeriesAccumulator series(small_options({"Curb"}, {true}));
  series.add("7", probabilities_of({"........", "...#....", "........", "........"}, 1),
             labels_of({"........", "....#...", "........", "........"}, 1), {});
  // The predicted cell lies in "near", its partner in "beyond".
  EXPECT_EQ(series.counts(0, 0, 1, kAllCells).predicted, 1);
  EXPECT_EQ(series.counts(0, 0, 1, kAllCells).right, 1);
  EXPECT_EQ(series.counts(0, 0, 1, kAllCells).truth, 0);
  EXPECT_EQ(series.counts(0, 0, 2, kAllCells).truth, 1);
  EXPECT_EQ(series.counts(0, 0, 2, kAllCells).found, 1);
  EXPECT_FALSE(series.counts(0, 0, 3, kAllCells).f1());
  EXPECT_FALSE(series.ranges()[1].clipped);
  EXPECT_TRUE(series.ranges()[2].clipped);
  EXPECT_DOUBLE_EQ(series.ranges()[2].range.x_max, 1.6);
  EXPECT_TRUE(series.ranges()[3].empty);
}

TEST(Series, IgnoredCellsAndNaNCountOnNeitherSide) {
  SeriesAccumulator series(small_options({"SpeedBump"}, {false}));
  series.add("7", probabilities_of({"####....", "??......", "........", "........"}, 1),
             labels_of({"##xx....", "##......", "........", "........"}, 1), {});
  const auto counts = series.counts(0, 0, 0, kAllCells);
  EXPECT_EQ(counts.predicted, 2);
  EXPECT_EQ(counts.right, 2);
  EXPECT_EQ(counts.truth, 4);
  EXPECT_EQ(counts.found, 4);
  SeriesAccumulator ignored(small_options({"SpeedBump"}, {false}));
  ignored.add("7", probabilities_of({"########", "########", "########", "########"}, 1),
              labels_of({"xxxxxxxx", "xxxxxxxx", "xxxxxxxx", "xxxxxxxx"}, 1), {});
  EXPECT_FALSE(ignored.counts(0, 0, 0, kAllCells).precision());
  EXPECT_FALSE(ignored.counts(0, 0, 0, kAllCells).f1());
}

TEST(Series, OtherIgnoresTheClassAndTypesAreConfused) {
  SeriesAccumulator series(small_options({"Solid", "Dashed"}, {true, true}, true));
  EXPECT_EQ(series.class_names(), (std::vector<std::string>{"Other", "Solid", "Dashed"}));
  series.add("7",
             probabilities_of({"........", "####....", "........", "........",  //
                               "........", "....###.", "........", "........"},
                              2),
             labels_of({"........", "........", "........", "........",  //
                        "........", "########", "........", "........"},
                       2),
             {});
  EXPECT_DOUBLE_EQ(*series.counts(0, 0, 0, kAllCells).precision(), 1.0);
  EXPECT_EQ(series.counts(0, 0, 0, kAllCells).found, 8);  // the last one through its neighbour
  EXPECT_DOUBLE_EQ(*series.counts(0, 1, 0, kAllCells).precision(), 0.0);
  EXPECT_FALSE(series.counts(0, 1, 0, kAllCells).recall());
  EXPECT_EQ(series.confusion(0, 1, 0), 4);
  EXPECT_EQ(series.confusion(0, 1, 1), 3);
  EXPECT_EQ(series.confusion(0, 0, 0), 0);
}

TEST(Series, AddsUpOverSeriesAndSplitsByVisibility) {
  auto options = small_options({"Curb"}, {true});
  SeriesAccumulator whole(options), left(options), right(options);
  const auto p = probabilities_of({"........", "####....", "........", "........"}, 1);
  const auto l = labels_of({"........", "..####..", "........", "........"}, 1);
  std::vector<Stratum> strata(32, kSeenNow);
  for (size_t i = 0; i < 32; ++i)
    if (i % 8 >= 2) strata[i] = i % 8 >= 4 ? kNeverSeen : kHiddenNow;
  whole.add("1", p, l, strata);
  whole.add("2", p, l, {});
  left.add("1", p, l, strata);
  right.add("2", p, l, {});
  left.merge(right);
  for (const auto stratum : {kAllCells, kSeenNow, kHiddenNow, kNeverSeen}) {
    EXPECT_EQ(left.counts(0, 0, 0, stratum).right, whole.counts(0, 0, 0, stratum).right);
    EXPECT_EQ(left.counts(0, 0, 0, stratum).found, whole.counts(0, 0, 0, stratum).found);
  }
  EXPECT_EQ(whole.series(), (std::vector<std::string>{"1", "2"}));
  const std::string one = "1";
  EXPECT_EQ(whole.counts(0, 0, 0, kAllCells).predicted, 8);
  EXPECT_EQ(whole.counts(0, 0, 0, kAllCells, &one).predicted, 4);
  EXPECT_EQ(whole.counts(0, 0, 0, kSeenNow).predicted, 2);
  EXPECT_EQ(whole.counts(0, 0, 0, kHiddenNow).right, 2);
  EXPECT_EQ(whole.counts(0, 0, 0, kNeverSeen).truth, 2);
  SeriesAccumulator restored(options);
  restored.set_state(whole.state(), whole.confusion_state());
  EXPECT_EQ(restored.counts(1, 0, 0, kAllCells).found, whole.counts(1, 0, 0, kAllCells).found);
  EXPECT_THROW(restored.set_state({{"1", {}}}, {}), Error);
}

// ---- The line metric's behaviour on curved lines that are shifted sideways ----

std::vector<Vec2> curved_line(std::mt19937& random) {
  std::uniform_real_distribution<double> unit(0, 1);
  const double heading = 2 * std::numbers::pi * unit(random), curvature = (unit(random) - 0.5) * 0.06;
  Vec2 at{15 + 12 * unit(random), -6 + 12 * unit(random)};
  std::vector<Vec2> line;
  for (double s = 0; s <= 16; s += 0.2) {
    line.push_back(at);
    at = at + direction(heading + curvature * s) * 0.2;
  }
  return line;
}

std::vector<uint8_t> drawn(const std::vector<Vec2>& line, double width, const LabelGrid& grid) {
  std::vector<uint8_t> raster(static_cast<size_t>(grid.rows() * grid.columns()), 0);
  const auto cell_of = [&](double metres, double from) { return static_cast<int64_t>((metres - from) / grid.cell); };
  for (size_t i = 1; i < line.size(); ++i) {
    const Vec2 a = line[i - 1], b = line[i];
    for (int64_t r = cell_of(std::min(a.y, b.y) - 1, grid.y_min); r <= cell_of(std::max(a.y, b.y) + 1, grid.y_min); ++r)
      for (int64_t c = cell_of(std::min(a.x, b.x) - 1, grid.x_min); c <= cell_of(std::max(a.x, b.x) + 1, grid.x_min);
           ++c) {
        const Vec2 centre{grid.x_min + (static_cast<double>(c) + 0.5) * grid.cell,
                          grid.y_min + (static_cast<double>(r) + 0.5) * grid.cell};
        if (distance_to_segment(centre, a, b) <= width / 2) raster[r * grid.columns() + c] = 1;
      }
  }
  return raster;
}

double f1_of_shift(double shift, double width, int lines) {
  std::mt19937 random(5);
  SeriesAccumulator::Options options;
  options.classes = {"SolidLine"};
  options.line = {true};
  options.conf = {0.9};
  options.grid = {};
  options.grid.x_min = 0, options.grid.x_max = 44, options.grid.y_min = -22, options.grid.y_max = 22;
  options.ranges = {{"all", -22, 22, 0, 44}};
  SeriesAccumulator series(options);
  for (int i = 0; i < lines; ++i) {
    const auto line = curved_line(random);
    const auto truth = drawn(line, width, options.grid), moved = drawn(offset(line, shift), width, options.grid);
    ProbabilityRaster p(1, options.grid.rows(), options.grid.columns());
    LabelRaster l(1, options.grid.rows(), options.grid.columns());
    for (size_t k = 0; k < truth.size(); ++k) {
      p.values[k] = moved[k] ? 0.99f : 0.01f;
      l.values[k] = truth[k];
    }
    series.add("0", p, l, {});
  }
  return *series.counts(0, 0, 0, kAllCells).f1();
}

TEST(Series, ShiftedLinesScoreByTheirShiftNotByTheirWidth) {
  const std::vector<double> widths = {0.3, 0.4, 0.5, 0.6};
  const std::vector<double> shifts = {0, 0.1, 0.2, 0.3, 0.4};
  const std::vector<double> at_least = {1, 0.98, 0.85, 0, 0}, at_most = {1, 1, 1, 0.5, 0.02};
  std::vector<std::vector<double>> f1(shifts.size());
  for (size_t s = 0; s < shifts.size(); ++s) {
    std::string figures;
    for (const double width : widths) f1[s].push_back(f1_of_shift(shifts[s], width, 40));
    for (const double value : f1[s]) figures += fmt::format(" {:.4f}", value);
    SCOPED_TRACE(fmt::format("shift {}:{}", shifts[s], figures));
    fmt::print("shifted by {} m, drawn 0.3, 0.4, 0.5, 0.6 m wide: F1{}\n", shifts[s], figures);
    const auto [low, high] = std::minmax_element(f1[s].begin(), f1[s].end());
    EXPECT_LT(*high - *low, 0.03);
    EXPECT_GE(*low, at_least[s]);
    EXPECT_LE(*high, at_most[s]);
  }
}

}  // namespace
}  // namespace bevgrad
