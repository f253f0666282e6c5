// The headline figures: thresholds from other sequences, intervals, and one run against another.
#include "evaluation/headline.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "evaluation/evaluator.h"

namespace bevgrad {
namespace {

EvaluationOptions small_options() {
  EvaluationOptions options;
  options.labels.grid.x_min = 0, options.labels.grid.x_max = 12;
  options.labels.grid.y_min = -3, options.labels.grid.y_max = 3;
  options.ranges = {{"all", -3, 3, 0, 12}};
  options.chamfer_ap = false;
  return options;
}

/// A line along row 15, hidden from column 40 on. It is predicted with `mark` where it is, and `noise` is predicted
/// along row 5, where nothing is.
EvaluationFrame frame_of(int64_t sequence, float mark, float noise, int64_t found = 60) {
  EvaluationFrame frame;
  frame.val_set = "online";
  frame.sequence = sequence;
  frame.key = std::to_string(sequence);
  frame.lane_label = LabelRaster(9, 30, 60, 0);
  frame.lane = ProbabilityRaster(9, 30, 60, 0.01f);
  frame.visibility = LabelRaster(3, 30, 60, 1);
  for (int64_t c = 0; c < 60; ++c) {
    frame.lane_label.at(2, 15, c) = 1;
    if (c < found) frame.lane.at(4, 15, c) = mark;  // another type: any mark will do
    frame.lane.at(0, 5, c) = noise;
    if (c >= 40)
      for (int64_t r = 0; r < 30; ++r) frame.visibility.at(0, r, c) = frame.visibility.at(1, r, c) = 0;
  }
  return frame;
}

Cell cell(const Evaluator& evaluator, const char* table, const std::vector<std::string>& keys, const char* column) {
  for (const Table& t : evaluator.tables())
    if (t.name == table) return t.find(keys, column);
  return {};
}

TEST(AnyMark, TheThresholdComesFromTheOtherSequences) {
  // Sequences 1 and 2 are right at any threshold from 0.35 on up to 0.6; sequence 3 only below 0.3.
  Evaluator evaluator(small_options());
  evaluator.add(frame_of(1, 0.62f, 0.32f));
  evaluator.add(frame_of(2, 0.62f, 0.32f));
  evaluator.add(frame_of(3, 0.28f, 0.02f));
  // For 1: over 2 and 3, 0.05 to 0.25 finds 120 of 120 with 60 false: P 2/3, R 1, F1 0.8; 0.35 to 0.6: P 1, R 1/2, F1
  // 2/3. For 3: over 1 and 2 the first threshold with F1 1 is 0.35, at which 3 has nothing.
  EXPECT_EQ(cell(evaluator, "any_mark", {"online", "all"}, "lowest threshold"), Cell(0.05));
  EXPECT_NEAR(std::get<double>(cell(evaluator, "any_mark", {"online", "all"}, "highest threshold")), 0.35, 1e-12);
  const auto headline = evaluator.headline();
  // 1 and 2 at 0.05: 240 predicted, 120 right; 3 at 0.35: none of its 60.
  const double precision = 0.5, recall = 120.0 / 180;
  EXPECT_NEAR(headline.at("lane_any_f1"), 2 * precision * recall / (precision + recall), 1e-12);
  EXPECT_NEAR(headline.at("lane_any_iou"), 120.0 / (240 + 180 - 120), 1e-12);
  EXPECT_NEAR(headline.at("lane_any_iou_hidden"), 40.0 / (80 + 60 - 40), 1e-12);
  EXPECT_EQ(headline.at("lane_any_iou_hidden"), headline.at("lane_any_iou_seen"));
}

TEST(AnyMark, OneSequenceAloneIsJudgedAtOneHalf) {
  Evaluator evaluator(small_options());
  evaluator.add(frame_of(1, 0.45f, 0.02f));
  EXPECT_EQ(evaluator.headline().at("lane_any_f1"), 0.0);
  EXPECT_TRUE(evaluator.headline_with_intervals().replicates.empty());
  EXPECT_NE(evaluator.remarks().back().find("one sequence alone"), std::string::npos);
  const Table table = headline_table(evaluator.headline_with_intervals());
  EXPECT_EQ(table.find({"lane_any_f1"}, "low"), Cell());
}

/// Ten drives, of which every other one is found to the end; `shorter` cells less of each.
Evaluator drives(int64_t shorter, int count = 10) {
  Evaluator evaluator(small_options());
  for (int i = 0; i < count; ++i) {
    auto frame = frame_of(i, 0.9f, 0.02f, (i % 2 ? 60 : 30) - shorter);
    Box3d car;
    car.x = 6, car.num_lidar_points = 9;
    frame.box_labels = {{car}};
    if (i % 3) frame.boxes = {{car, 0.1 * i}};
    car.x = 2;
    frame.boxes.push_back({car, 0.55});
    evaluator.add(frame);
  }
  return evaluator;
}

TEST(Bootstrap, IntervalsHoldTheFigureAndRepeat) {
  const Headline headline = drives(0).headline_with_intervals();
  EXPECT_EQ(headline.sequences.size(), 10u);
  EXPECT_EQ(headline.sequences[1], "online/1");
  for (const auto& [name, value] : headline.figures) {
    const auto& replicates = headline.replicates.at(name);
    ASSERT_EQ(replicates.size(), static_cast<size_t>(kReplicates)) << name;
    const auto interval = interval_of(replicates);
    ASSERT_TRUE(interval) << name;
    EXPECT_LE(interval->low, value) << name;
    EXPECT_GE(interval->high, value) << name;
  }
  const auto f1 = *interval_of(headline.replicates.at("lane_any_f1"));
  EXPECT_LT(f1.low, f1.high);
  EXPECT_EQ(drives(0).headline_with_intervals().replicates.at("dynamic_map"), headline.replicates.at("dynamic_map"));
}

TEST(Bootstrap, AReplicateIsTheFigureOfItsDraw) {
  // Of two sequences a draw takes one twice, the other twice, or both: there are three values of every figure at most.
  const Headline headline = drives(0, 2).headline_with_intervals();
  for (const auto& [name, value] : headline.figures) {
    std::set<double> values(headline.replicates.at(name).begin(), headline.replicates.at(name).end());
    EXPECT_LE(values.size(), 3u) << name;
    EXPECT_TRUE(values.contains(value)) << name;
  }
}

TEST(HeadlineComparison, ARunAgainstItselfHasNotChanged) {
  const Headline headline = drives(0).headline_with_intervals();
  const Table table = headline_comparison(headline, headline, "a", "b");
  EXPECT_EQ(table.rows.size(), headline.figures.size());
  EXPECT_EQ(table.find({"lane_any_f1"}, "change"), Cell(0.0));
  EXPECT_EQ(table.find({"lane_any_f1"}, "low"), Cell(0.0));
  EXPECT_EQ(table.find({"lane_any_f1"}, "p"), Cell(1.0));
}

TEST(HeadlineComparison, PairsSeeWhatIntervalsAloneDoNot) {
  // Each drive is found a little further, far less than the drives differ among each other.
  const Headline a = drives(2).headline_with_intervals(), b = drives(0).headline_with_intervals();
  const auto of_a = *interval_of(a.replicates.at("lane_any_f1")), of_b = *interval_of(b.replicates.at("lane_any_f1"));
  EXPECT_LT(of_b.low, of_a.high);
  const Table table = headline_comparison(a, b, "a", "b");
  EXPECT_GT(std::get<double>(table.find({"lane_any_f1"}, "low")), 0.0);
  EXPECT_LT(std::get<double>(table.find({"lane_any_f1"}, "p")), 0.01);
  const Table back = headline_comparison(b, a, "b", "a");
  EXPECT_LT(std::get<double>(back.find({"lane_any_f1"}, "high")), 0.0);
}

TEST(HeadlineComparison, OtherSequencesAreNoPairs) {
  const Table table =
      headline_comparison(drives(0).headline_with_intervals(), drives(0, 9).headline_with_intervals(), "a", "b");
  EXPECT_NE(table.find({"lane_any_f1"}, "change"), Cell());
  EXPECT_EQ(table.find({"lane_any_f1"}, "low"), Cell());
  EXPECT_EQ(table.find({"lane_any_f1"}, "p"), Cell());
}

TEST(HeadlineFigures, EveryOneHasANameATitleAndAText) {
  std::set<std::string> names;
  for (const HeadlineFigure& figure : headline_figures()) {
    EXPECT_TRUE(names.insert(figure.name).second) << figure.name;
    EXPECT_FALSE(figure.title.empty() || figure.text.empty()) << figure.name;
  }
  for (const auto& [name, value] : drives(0).headline()) EXPECT_TRUE(names.contains(name)) << name;
}

TEST(Intervals, AreTheMiddleOfTheReplicatesWhereThereAreEnough) {
  std::vector<double> replicates;
  for (int i = 0; i <= 1000; ++i) replicates.push_back(1000 - i);
  EXPECT_DOUBLE_EQ(interval_of(replicates)->low, 25);
  EXPECT_DOUBLE_EQ(interval_of(replicates)->high, 975);
  for (size_t i = 0; i < 100; ++i) replicates[10 * i] = NAN;
  EXPECT_TRUE(interval_of(replicates)) << "one of ten is missing";
  for (size_t i = 0; i < 3; ++i) replicates[10 * i + 1] = NAN;
  EXPECT_FALSE(interval_of(replicates));
  EXPECT_FALSE(interval_of({}));
}

TEST(HeadlineComparison, PCountsTheDrawsThatSayTheOppositeOnBothSides) {
  Headline a, b;
  a.sequences = b.sequences = {"x", "y"};
  a.figures["miou"] = 0.5, b.figures["miou"] = 0.6;
  a.replicates["miou"] = std::vector<double>(999, 0.5);
  std::vector<double>& now = b.replicates["miou"];
  now.assign(999, 0.7);
  for (size_t i = 0; i < 24; ++i) now[i] = 0.4;
  now[24] = 0.5;
  const auto p = [&] { return std::get<double>(headline_comparison(a, b, "a", "b").find({"miou"}, "p")); };
  EXPECT_NEAR(p(), 2 * 26.0 / 1000, 1e-12);
  now.assign(999, 0.7);
  EXPECT_NEAR(p(), 2.0 / 1000, 1e-12);
  now.assign(999, 0.5);
  EXPECT_EQ(p(), 1);
}

TEST(Bootstrap, TwoSequencesGiveThreeDraws) {
  const auto drives_of = [](const std::vector<int64_t>& sequences) {
    Evaluator evaluator(small_options());
    for (const int64_t sequence : sequences) {
      EvaluationFrame frame = frame_of(sequence, 0.62f, 0.02f);
      for (int64_t c = 0; c < 60; ++c) frame.lane.at(2, 15, c) = c < 20 * sequence ? 0.9f : 0.01f;
      evaluator.add(frame);
    }
    return evaluator.headline_with_intervals();
  };
  const Headline both = drives_of({1, 2}), first = drives_of({1}), second = drives_of({2});
  for (const char* name : {"lane_miou", "miou"}) {
    // Each sequence twice, or both once.
    std::set<double> expected = {first.figures.at(name), second.figures.at(name), both.figures.at(name)}, drawn;
    ASSERT_EQ(expected.size(), 3u);
    for (const double value : both.replicates.at(name)) drawn.insert(value);
    EXPECT_EQ(drawn, expected) << name;
  }
}

}  // namespace
}  // namespace bevgrad
