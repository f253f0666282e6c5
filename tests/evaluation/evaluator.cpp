#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "evaluation/comparison_text.h"
#include "evaluation/evaluator.h"
#include "support/temporary_folder.h"

namespace bevgrad {
namespace {

constexpr double kX = 10;

/// A grid of 20 x 10 m around the vehicle, small enough for many frames.
EvaluationOptions small_options() {
  EvaluationOptions options;
  options.labels.grid.x_min = 0, options.labels.grid.x_max = 20;
  options.labels.grid.y_min = -5, options.labels.grid.y_max = 5;
  return options;
}

/// A dashed line ahead, a wall at its left, one parking slot, one car; predicted as it is.
EvaluationFrame perfect_frame(const std::string& set, int64_t sequence, int index) {
  EvaluationFrame frame;
  frame.val_set = set;
  frame.key = fmt::format("{}/{}/{}", set, sequence, index);
  frame.sequence = sequence;
  frame.timestamp = 0.1 * index;
  frame.lane_label = LabelRaster(9, 50, 100, 0);
  frame.road_label = LabelRaster(4, 50, 100, 0);
  frame.visibility = LabelRaster(3, 50, 100, 1);
  for (int64_t c = 5; c < 95; ++c)
    for (int64_t r = 0; r < 3; ++r) {
      frame.lane_label.at(2, 20 + r, c) = 1;
      frame.road_label.at(0, 40 + r, c) = 1;
      if (c > 60) frame.visibility.at(0, 20 + r, c) = frame.visibility.at(1, 20 + r, c) = 0;  // hidden now
    }
  frame.lane = ProbabilityRaster(9, 50, 100);
  frame.road = ProbabilityRaster(4, 50, 100);
  for (size_t i = 0; i < frame.lane.values.size(); ++i)
    frame.lane.values[i] = frame.lane_label.values[i] ? 0.98f : 0.01f;
  for (size_t i = 0; i < frame.road.values.size(); ++i)
    frame.road.values[i] = frame.road_label.values[i] ? 0.98f : 0.01f;
  const Instance slot{kX, 0, 5, 2.5, 0.3, 2};
  frame.instances = {{slot, 0.9}};
  frame.instance_labels = {{slot}};
  Box3d car;
  car.x = kX, car.class_id = 0;
  frame.boxes = {{car, 0.8}};
  frame.box_labels = {{car}};
  return frame;
}

const Table& named(const std::vector<Table>& tables, const std::string& name) {
  for (const auto& table : tables)
    if (table.name == name) return table;
  throw std::runtime_error("no table " + name);
}

double number(const Cell& cell) {
  return std::holds_alternative<double>(cell) ? std::get<double>(cell) : NAN;
}

TEST(Evaluator, TheLabelItselfScoresOneEverywhere) {
  Evaluator evaluator(small_options());
  for (int i = 0; i < 3; ++i) evaluator.add(perfect_frame("online", 1, i));
  const auto tables = evaluator.tables();
  for (const char* cells : {"all", "seen now", "hidden now"})
    EXPECT_EQ(number(named(tables, "iou").find({"online", "lane", "DashedLine", cells}, "iou")), 1.0) << cells;
  EXPECT_EQ(named(tables, "iou").find({"online", "lane", "DashedLine", "never seen"}, "iou"), Cell());
  EXPECT_EQ(named(tables, "iou").find({"online", "lane", "SolidLine", "all"}, "iou"), Cell());
  EXPECT_EQ(number(named(tables, "iou").find({"online", "road", "mean", "all"}, "iou")), 1.0);
  for (const char* conf : {"0.9", "0.7"})
    for (const char* name : {"Other", "DashedLine", "mean"}) {
      const auto value = [&](const char* v) {
        return number(named(tables, "series").find({"online", "(all)", "lane", name, "main_near", "all", conf}, v));
      };
      EXPECT_EQ(value("precision"), 1.0);
      EXPECT_EQ(value("recall"), 1.0);
      EXPECT_EQ(value("f1"), 1.0);
    }
  EXPECT_EQ(named(tables, "series").find({"online", "(all)", "lane", "Other", "main_far", "all", "0.9"}, "f1"), Cell());
  EXPECT_EQ(number(named(tables, "chamfer_ap").find({"online", "DashedLine", "0.2, 0.5, 1", "all"}, "ap")), 1.0);
  EXPECT_EQ(number(named(tables, "instance_ap").find({"online", "ParkingSlot", "0.5", "all"}, "ap")), 1.0);
  EXPECT_NEAR(number(named(tables, "dynamic_ap").find({"online", "car", "mean", "all"}, "ap")), 1.0, 1e-12);
  EXPECT_EQ(number(named(tables, "flicker").find({"online", "lane", "all"}, "rate")), 0.0);
  EXPECT_EQ(std::get<int64_t>(named(tables, "confusion").find({"online", "0.9", "DashedLine"}, "DashedLine")) > 0,
            true);
  EXPECT_EQ(evaluator.headline().at("miou"), 1.0);
  EXPECT_EQ(evaluator.headline().at("miou_hidden"), 1.0);
  EXPECT_EQ(named(tables, "samples").rows.size(), 3u);
}

TEST(Evaluator, DegeneratePredictions) {
  Evaluator zero(small_options()), one(small_options()), shifted(small_options()), nan(small_options());
  auto frame = perfect_frame("online", 1, 0);
  auto with = [&](float value) {
    auto changed = frame;
    changed.lane.values.assign(changed.lane.values.size(), value);
    changed.road.values.assign(changed.road.values.size(), value);
    changed.instances.clear();
    changed.boxes.clear();
    return changed;
  };
  zero.add(with(0));
  one.add(with(1));
  nan.add(with(NAN));
  auto moved = frame;
  for (int64_t c = 0; c < 9; ++c)
    for (int64_t r = 0; r < 50; ++r)
      for (int64_t x = 0; x < 100; ++x) moved.lane.at(c, r, x) = frame.lane.at(c, std::max<int64_t>(r - 1, 0), x);
  shifted.add(moved);

  for (Evaluator* evaluator : {&zero, &nan}) {
    const auto tables = evaluator->tables();
    EXPECT_EQ(evaluator->headline().at("miou"), 0.0);
    const std::vector<std::string> keys = {"online", "(all)", "lane", "DashedLine", "all", "all", "0.9"};
    EXPECT_EQ(named(tables, "series").find(keys, "precision"), Cell());
    EXPECT_EQ(number(named(tables, "series").find(keys, "recall")), 0.0);
    EXPECT_EQ(number(named(tables, "series").find(keys, "f1")), 0.0);
    EXPECT_EQ(number(named(tables, "instance_ap").find({"online", "mean", "0.5", "all"}, "ap")), 0.0);
  }
  EXPECT_NE(nan.remarks().back().find("NaN"), std::string::npos);
  EXPECT_DOUBLE_EQ(number(named(one.tables(), "iou").find({"online", "lane", "DashedLine", "all"}, "iou")),
                   3 * 90 / 5000.0);
  // Shifted by one cell of three: 2 of 4 rows in common; within 0.25 m all the same.
  const auto tables = shifted.tables();
  EXPECT_DOUBLE_EQ(number(named(tables, "iou").find({"online", "lane", "DashedLine", "all"}, "iou")), 0.5);
  const std::vector<std::string> keys = {"online", "(all)", "lane", "DashedLine", "all", "all", "0.9"};
  EXPECT_EQ(number(named(tables, "series").find(keys, "f1")), 1.0);
  EXPECT_NEAR(number(named(tables, "series").find(keys, "mean distance")), 0.2, 1e-12);
}

TEST(Evaluator, RanksAddUpToTheWhole) {
  Evaluator whole(small_options()), a(small_options()), b(small_options());
  int i = 0;
  for (const char* set : {"day", "night"})
    for (int64_t sequence = 0; sequence < 2; ++sequence)
      for (int index = 0; index < 2; ++index, ++i) {
        auto frame = perfect_frame(set, sequence, index);
        for (size_t k = static_cast<size_t>(i); k < frame.lane.values.size(); k += 7) frame.lane.values[k] = 0.72f;
        frame.instances.push_back({{5, 1, 4, 2, 0.1 * i, 2}, 0.95});
        whole.add(frame);
        (sequence == 0 ? a : b).add(frame);
      }
  a.merge(b.state());
  ASSERT_EQ(a.frames(), 8);
  const auto expected = whole.tables(), got = a.tables();
  ASSERT_EQ(got.size(), expected.size());
  for (size_t t = 0; t < got.size(); ++t) {
    if (got[t].name == "samples") continue;  // the same rows in another order
    EXPECT_EQ(to_csv(got[t]), to_csv(expected[t])) << got[t].name;
  }
  EXPECT_EQ(named(got, "iou").rows[0][0], Cell(std::string("(all)")));
  EXPECT_THROW(a.merge("not a state"), Error);
}

TEST(Evaluator, AnEmptySetIsNotAvailable) {
  Evaluator evaluator(small_options());
  EXPECT_TRUE(evaluator.headline().empty());
  EXPECT_NE(evaluator.remarks()[0].find("no frame"), std::string::npos);
  EXPECT_EQ(named(evaluator.tables(), "iou").find({"(all)", "lane", "mean", "all"}, "iou"), Cell());
}

TEST(Evaluator, SaysWhatIsMissingAndWhatDoesNotFit) {
  Evaluator evaluator(small_options());
  auto frame = perfect_frame("online", 1, 0);
  frame.lane_label = {};
  frame.instance_labels.reset();
  frame.visibility = {};
  evaluator.add(frame);
  std::string all;
  for (const auto& remark : evaluator.remarks()) all += remark + "\n";
  EXPECT_NE(all.find("main_far"), std::string::npos);
  EXPECT_NE(all.find("1 of 1 frames have no lane labels"), std::string::npos);
  EXPECT_NE(all.find("1 of 1 frames have no instances labels"), std::string::npos);
  frame = perfect_frame("online", 1, 7);
  frame.road = ProbabilityRaster(3, 50, 100);
  try {
    evaluator.add(frame);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("sample online/1/7: iou: predictions [3,50,100]"), std::string::npos);
  }
  auto options = small_options();
  options.series_conf = {1.5};
  EXPECT_THROW(Evaluator{options}, UsageError);
}

TEST(Evaluator, NamesTheMapAndTheSampleThatAreNotFinite) {
  Evaluator one(small_options()), two(small_options());
  one.add(perfect_frame("online", 1, 0));
  auto frame = perfect_frame("online", 1, 1);
  frame.lane.at(3, 0, 0) = NAN;
  frame.lane.at(3, 0, 1) = NAN;
  frame.non_finite["instance_heatmap"] = 7;
  two.add(frame);
  frame.key = "later";
  two.add(frame);
  one.merge(two.state());
  std::string all;
  for (const auto& remark : one.remarks()) all += remark + "\n";
  EXPECT_THAT(all, ::testing::HasSubstr("online: 4 values of lane are NaN and count as not predicted"));
  EXPECT_THAT(all, ::testing::HasSubstr("online: 14 values of instance_heatmap are NaN or infinite"));
  EXPECT_THAT(all, ::testing::HasSubstr("in 2 of 3 frames, first in sample online/1/1"));
  // What is no probability is no prediction of anything.
  for (const float value : {INFINITY, -INFINITY, 1.5f}) {
    frame.lane.at(3, 0, 1) = value;
    EXPECT_THROW(two.add(frame), Error) << value;
  }
}

TEST(Evaluator, CallsASequenceAsTheFrameDoes) {
  Evaluator evaluator(small_options());
  for (const int64_t sequence : {1, 2}) {
    auto frame = perfect_frame("online", sequence, 0);
    frame.sequence_name = fmt::format("1-{}", sequence);
    evaluator.add(frame);
  }
  const auto tables = evaluator.tables();
  EXPECT_EQ(to_text(named(tables, "samples").rows[1][1]), "1-2");
  EXPECT_EQ(number(named(tables, "series").find({"online", "1-2", "lane", "Other", "all", "all", "0.7"}, "f1")), 1.0);
}

TEST(Evaluator, TextsOfDataReachNoTerminalRaw) {
  auto options = small_options();
  options.labels.lane_classes[2] = "a\nb\x1b[31m\x85";
  const std::string set = "\x1b[31mRED\x1b]0;title\x07\rX \xd9";
  Evaluator evaluator(options);
  auto frame = perfect_frame(set, 1, 0);
  frame.lane.at(0, 0, 0) = NAN;
  evaluator.add(frame);
  const testing::TemporaryFolder folder;
  write_evaluation(folder.path(), evaluator.summary());
  std::ifstream file(folder / "metrics.txt", std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  const Table iou = named(evaluator.tables(), "iou");
  text += iou_comparison_text(iou, iou, set, "b") + to_text(iou_comparison(iou, iou, set, "b"));
  for (const char c : text) EXPECT_TRUE(c == '\n' || (c >= 0x20 && c < 0x7f)) << static_cast<int>(c);
  EXPECT_THAT(text, ::testing::HasSubstr("a\\x0ab\\x1b[31m"));
}

TEST(Table, CutsTextsBetweenCharacters) {
  EXPECT_EQ(shortened("مرحبا", 5), "مرحبا");
  EXPECT_EQ(shortened("مرحبا بالعالم", 6), "مرحب..");
  EXPECT_EQ(characters(shortened("雨天雨天雨天", 4)), 4u);
  EXPECT_EQ(shortened("a\x1b", 10), "a\\x1b");
}

TEST(Evaluator, KeepsLittleOfAFrame) {
  // What grows with the frames is a line a sample and what was detected, not the frames themselves (65 kB each here).
  Evaluator evaluator(small_options());
  auto frame = perfect_frame("online", 1, 0);
  frame.instances.clear();
  frame.boxes.clear();
  const auto grow = [&](int from, int to) {
    for (int i = from; i < to; ++i) {
      frame.key = std::to_string(i);
      frame.timestamp = 0.1 * i;
      evaluator.add(frame);
    }
    return evaluator.state().size();
  };
  const size_t before = grow(0, 20), after = grow(20, 60);
  EXPECT_LT(after - before, 40 * 500u);
}

TEST(Evaluator, WritesTextCsvAndJson) {
  Evaluator evaluator(small_options());
  evaluator.add(perfect_frame("online", 1, 0));
  const testing::TemporaryFolder folder;
  write_evaluation(folder.path(), evaluator.summary());
  std::ifstream file(folder / "metrics.json");
  const auto document = nlohmann::ordered_json::parse(file);
  EXPECT_EQ(document["frames"], 1);
  EXPECT_EQ(document["headline"]["miou"], 1.0);
  for (const auto& json : document["tables"]) {
    const Table table = table_from_json(json, "metrics.json");
    EXPECT_TRUE(std::filesystem::exists(folder / (table.name + ".csv")));
  }
  EXPECT_GT(std::filesystem::file_size(folder / "metrics.txt"), 1000u);
  EXPECT_THROW(write_evaluation("/proc/none/here", evaluator.summary()), Error);
}

TEST(Evaluator, ComparesTwoRuns) {
  Evaluator one(small_options()), two(small_options());
  auto frame = perfect_frame("online", 1, 0);
  two.add(frame);
  for (int64_t r = 20; r < 23; ++r)
    for (int64_t c = 61; c < 100; ++c) frame.lane.at(2, r, c) = 0;  // what is hidden now is not found
  one.add(frame);
  const Table table = iou_comparison(named(one.tables(), "iou"), named(two.tables(), "iou"), "step 1", "step 2");
  EXPECT_EQ(number(table.find({"online", "lane", "DashedLine"}, "hidden now: step 1")), 0.0);
  EXPECT_EQ(number(table.find({"online", "lane", "DashedLine"}, "hidden now: change")), 1.0);
  EXPECT_EQ(number(table.find({"online", "lane", "DashedLine"}, "seen now: change")), 0.0);
  EXPECT_EQ(table.find({"online", "lane", "SolidLine"}, "all: change"), Cell());
  // For a terminal: every class of every val set, in lines of at most 120 characters whatever the names.
  for (const std::string name : {"step 1", "a run with a name that is far too long for any column of any table"}) {
    std::istringstream text(
        iou_comparison_text(named(one.tables(), "iou"), named(two.tables(), "iou"), name, "step 2"));
    std::string line, all;
    while (std::getline(text, line)) {
      EXPECT_LE(line.size(), 120u) << line;
      all += line + "\n";
    }
    EXPECT_THAT(all, ::testing::ContainsRegex("lane DashedLine.* 0.000 +1.000 +[+]1.000"));
    for (const auto& row : table.rows) EXPECT_THAT(all, ::testing::HasSubstr(to_text(row[2]))) << to_text(row[2]);
  }
  Evaluator other(small_options());
  other.add(perfect_frame("night", 1, 0));
  const Table apart = iou_comparison(named(one.tables(), "iou"), named(other.tables(), "iou"), "step 1", "step 2");
  EXPECT_EQ(apart.rows.size(), 2 * table.rows.size());
  EXPECT_EQ(number(apart.find({"night", "lane", "DashedLine"}, "all: step 2")), 1.0);
  EXPECT_EQ(apart.find({"night", "lane", "DashedLine"}, "all: step 1"), Cell());
}

}  // namespace
}  // namespace bevgrad
