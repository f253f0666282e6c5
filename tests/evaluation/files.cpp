// Other people's files: what fits is evaluated, what does not is a UsageError that names the file and the dataset.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <limits>

#include "evaluation/evaluate_files.h"
#include "evaluation/evaluator.h"
#include "formats/hdf5/tensor_file.h"
#include "support/temporary_folder.h"
#include "tensor/ops.h"

namespace bevgrad {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr int64_t kFrames = 2, kRows = 20, kColumns = 30;

EvaluationOptions small_options() {
  EvaluationOptions options;
  options.labels.lane_classes = {"solid", "dashed"};
  options.labels.road_classes = {"wall"};
  options.labels.grid.x_min = 0, options.labels.grid.x_max = 6;
  options.labels.grid.y_min = -2, options.labels.grid.y_max = 2;
  options.ranges = {{"all", -2, 2, 0, 6}};
  return options;
}

using Datasets = std::map<std::string, Tensor>;

/// One box and one instance a frame, the rest unused rows.
Tensor rows_of(int64_t columns, const std::vector<double>& row) {
  Tensor rows = full({kFrames, 3, columns}, 0);
  for (int64_t n = 0; n < kFrames; ++n)
    for (int64_t i = 0; i < 3; ++i)
      for (int64_t k = 0; k < columns; ++k)
        rows.data<float>()[(n * 3 + i) * columns + k] = i == 0 ? static_cast<float>(row[static_cast<size_t>(k)])
                                                        : k == columns - 1 ? -1.0f
                                                                           : NAN;
  return rows;
}

class EvaluateFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    Tensor lane = zeros({kFrames, 2, kRows, kColumns}, {.dtype = DType::UInt8});
    for (int64_t i = 0; i < lane.numel(); ++i) lane.data<uint8_t>()[i] = i / kColumns % kRows == 9;
    labels_ = {{"lane", lane},
               {"visibility", full({kFrames, 3, kRows, kColumns}, 1, {.dtype = DType::UInt8})},
               {"instances", rows_of(6, {3, 0, 2, 1, 0.1, 2})},
               {"boxes", rows_of(11, {3, 0, 0, 4, 2, 1.5, 0, 0, 0, 0, 1})},
               {"box_points", full({kFrames, 3}, 7, {.dtype = DType::Int32})},
               {"sequence", full({kFrames}, 5, {.dtype = DType::Int64})},
               {"timestamp", from_values({0.0, 0.1}, {kFrames}, {.dtype = DType::Float64})}};
    predictions_ = {{"lane", ops::to(lane, DType::Float32)},
                    {"instances", labels_["instances"]},
                    {"instance_scores", full({kFrames, 3}, 0.9)},
                    {"boxes", rows_of(11, {3, 0, 0, 4, 2, 1.5, 0, 0, 0, 0.8, 1})}};
  }

  std::string write(const char* name, const Datasets& datasets) {
    const std::string path = (folder_ / name).string();
    Hdf5Writer writer(path);
    for (const auto& [dataset, values] : datasets)
      if (values.defined()) writer.write(dataset, values);
    writer.commit();
    return path;
  }
  Evaluator evaluate() { return evaluate_files(write("p.h5", predictions_), write("l.h5", labels_), small_options()); }
  /// What evaluate() says of a mistake; empty where it finds none.
  std::string mistake() {
    try {
      evaluate();
      return "";
    } catch (const UsageError& error) {
      return error.what();
    }
  }

  testing::TemporaryFolder temporary_;
  const std::filesystem::path folder_ = temporary_.path();
  Datasets predictions_, labels_;
};

double number(const std::vector<Table>& tables, const std::string& table, const std::vector<std::string>& keys,
              const std::string& value) {
  for (const Table& t : tables)
    if (t.name == table) {
      const Cell cell = t.find(keys, value);
      if (const auto* integer = std::get_if<int64_t>(&cell)) return static_cast<double>(*integer);
      return std::holds_alternative<double>(cell) ? std::get<double>(cell) : NAN;
    }
  return NAN;
}

TEST_F(EvaluateFiles, WhatIsRightScoresOne) {
  const auto tables = evaluate().tables();
  EXPECT_EQ(number(tables, "iou", {"predictions", "lane", "solid", "all"}, "iou"), 1.0);
  EXPECT_EQ(number(tables, "instance_ap", {"predictions", "ParkingSlot", "0.5", "all"}, "ap"), 1.0);
  EXPECT_NEAR(number(tables, "dynamic_ap", {"predictions", "truck", "0.5", "all"}, "ap"), 1.0, 1e-12);
}

TEST_F(EvaluateFiles, MasksMayBeBool) {
  for (const char* name : {"lane", "visibility"}) labels_[name] = ops::to(labels_[name], DType::Bool);
  const auto tables = evaluate().tables();
  EXPECT_EQ(number(tables, "iou", {"predictions", "lane", "solid", "seen now"}, "iou"), 1.0);
}

TEST_F(EvaluateFiles, BoxesWithoutAPointAreNoTruths) {
  labels_["box_points"].data<int32_t>()[0] = 0;  // the box of frame 0
  EXPECT_EQ(number(evaluate().tables(), "dynamic_ap", {"predictions", "truck", "0.5", "all"}, "truths"), 1);
  labels_["box_points"].data<int32_t>()[0] = -1;  // not known
  EXPECT_EQ(number(evaluate().tables(), "dynamic_ap", {"predictions", "truck", "0.5", "all"}, "truths"), 2);
}

TEST_F(EvaluateFiles, EveryWrongShapeNamesFileAndDataset) {
  const auto wrong = [&](Datasets& datasets, const char* name, const Tensor& values) {
    const Tensor before = datasets[name];
    datasets[name] = values;
    const std::string text = mistake();
    datasets[name] = before;
    return text;
  };
  const TensorOptions bytes{.dtype = DType::UInt8};
  EXPECT_THAT(wrong(labels_, "visibility", zeros({kFrames, 2, kRows, kColumns}, bytes)),
              AllOf(HasSubstr("l.h5: visibility is [2,2,20,30]"), HasSubstr("[N,3,H,W]")));
  EXPECT_THAT(wrong(labels_, "visibility", zeros({kFrames, 3, kRows, 7}, bytes)),
              HasSubstr("l.h5: visibility has 20 x 7 cells, expected 20 x 30"));
  EXPECT_THAT(wrong(labels_, "boxes", zeros({kFrames, 3, 9})),
              HasSubstr("l.h5: boxes is [2,3,9], expected [N,max,11]"));
  EXPECT_THAT(wrong(predictions_, "boxes", zeros({kFrames, 11})), HasSubstr("p.h5: boxes is [2,11]"));
  EXPECT_THAT(wrong(labels_, "instances", zeros({kFrames, 3, 5})),
              HasSubstr("l.h5: instances is [2,3,5], expected [N,max,6]"));
  EXPECT_THAT(wrong(predictions_, "instance_scores", zeros({kFrames, 4})), HasSubstr("p.h5: instance_scores is [2,4]"));
  EXPECT_THAT(wrong(predictions_, "instance_scores", Tensor()), HasSubstr("p.h5: there are instances but no"));
  EXPECT_THAT(wrong(labels_, "box_points", zeros({kFrames, 3})), HasSubstr("l.h5: box_points is float32"));
  EXPECT_THAT(wrong(labels_, "ego_pose", zeros({kFrames, 3, 4})), HasSubstr("l.h5: ego_pose is [2,3,4]"));
  EXPECT_THAT(wrong(labels_, "ego_pose", zeros({kFrames, 4, 4})), HasSubstr("l.h5: ego_pose of frame 0"));
  EXPECT_THAT(wrong(labels_, "timestamp", full({kFrames}, NAN)), HasSubstr("l.h5: timestamp of frame 0"));
  EXPECT_THAT(wrong(labels_, "sequence", zeros({kFrames + 1}, {.dtype = DType::Int64})),
              AllOf(HasSubstr("l.h5: sequence has 3 frames"), HasSubstr("has 2")));
  EXPECT_THAT(wrong(labels_, "lane", zeros({kFrames, 2, kRows, kColumns})), HasSubstr("l.h5: lane is float32"));
  EXPECT_THAT(wrong(predictions_, "lane", zeros({kFrames, 3, kRows, kColumns})), HasSubstr("p.h5: lane has 3 classes"));
  EXPECT_EQ(mistake(), "");
}

TEST_F(EvaluateFiles, EveryWrongValueNamesFileDatasetAndFrame) {
  labels_["lane"].data<uint8_t>()[labels_["lane"].numel() - 1] = 7;
  EXPECT_THAT(mistake(), HasSubstr("l.h5: lane holds 7 in frame 1"));
  SetUp();
  for (const float value : {INFINITY, -INFINITY, 2.0f, -0.5f}) {
    predictions_["lane"].data<float>()[0] = value;
    EXPECT_THAT(mistake(), AllOf(HasSubstr("p.h5: lane holds"), HasSubstr("in frame 0"))) << value;
  }
  predictions_["lane"].data<float>()[0] = NAN;
  EXPECT_THAT(evaluate().remarks().back(), HasSubstr("1 values of lane are NaN and count as not predicted"));
  SetUp();
  for (const double class_id : {99.0, 1.5}) {
    labels_["instances"] = rows_of(6, {3, 0, 2, 1, 0.1, class_id});
    EXPECT_THAT(mistake(), HasSubstr("l.h5: instances of frame 0: the 1.")) << class_id;
  }
  SetUp();
  labels_["boxes"] = rows_of(11, {NAN, 0, 0, 4, 2, 1.5, 0, 0, 0, 0, 1});
  EXPECT_THAT(mistake(), HasSubstr("l.h5: boxes of frame 0: the 1."));
}

TEST_F(EvaluateFiles, BrokenDetectionsCountAsNotPredictedAndAreTold) {
  const double nan = NAN, inf = INFINITY;
  for (const auto& row : std::vector<std::vector<double>>{{3, 0, 0, 4, 2, 1.5, 0, 0, 0, inf, 1},
                                                          {3, 0, 0, 4, 2, 1.5, 0, 0, 0, nan, 1},
                                                          {nan, 0, 0, 4, 2, 1.5, 0, 0, 0, 0.8, 1},
                                                          {3, 0, 0, -4, 2, 1.5, 0, 0, 0, 0.8, 1},
                                                          {3, 0, 0, 4, 2, 1.5, 0, 0, 0, 0.8, 99},
                                                          {3, 0, 0, 4, 2, 1.5, 0, 0, 0, 0.8, 1.5},
                                                          {3, 0, 0, 4, 2, 1.5, 0, 0, 0, 0.8, nan}}) {
    predictions_["boxes"] = rows_of(11, row);
    const Evaluator evaluator = evaluate();
    EXPECT_THAT(evaluator.remarks().back(), HasSubstr("2 predicted boxes have a score, place or size"));
    EXPECT_THAT(evaluator.remarks().back(), HasSubstr("in 2 of 2 frames, first in sample 0"));
    EXPECT_EQ(number(evaluator.tables(), "dynamic_ap", {"predictions", "truck", "0.5", "all"}, "predictions"), 0);
  }
  SetUp();
  predictions_["instance_scores"] = full({kFrames, 3}, inf);
  EXPECT_THAT(evaluate().remarks().back(), HasSubstr("2 predicted instances have a score"));
}

TEST_F(EvaluateFiles, GivenNamesMustFitTheLayers) {
  const std::string labels = write("l.h5", labels_);
  const auto mistake_of = [&](const GivenClasses& given) {
    try {
      Evaluator(fitted_to(labels, {}, given));
      return std::string();
    } catch (const UsageError& error) {
      return std::string(error.what());
    }
  };
  EXPECT_EQ(fitted_to(labels, {}, {{"a", "b"}, {}}).labels.lane_classes, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(fitted_to(labels, {}).labels.lane_classes, (std::vector<std::string>{"class 0", "class 1"}));
  EXPECT_THAT(mistake_of({{"a", "b", "c"}, {}}),
              AllOf(HasSubstr("--lane-classes: 3 names"), HasSubstr("2 lane layers")));
  EXPECT_THAT(mistake_of({{"a"}, {}}), HasSubstr("--lane-classes: 1 names"));
  EXPECT_THAT(mistake_of({{}, {"a"}}), AllOf(HasSubstr("--road-classes"), HasSubstr("no road")));
  EXPECT_THAT(mistake_of({{"a", "a"}, {}}), HasSubstr("\"a\" is given twice"));
  EXPECT_THAT(mistake_of({{"a", "mean"}, {}}), HasSubstr("\"mean\" is taken"));
}

}  // namespace
}  // namespace bevgrad
