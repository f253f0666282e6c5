// From the table of tasks and a config to the tasks that are on, and what they say of themselves.
#include "tasks/task_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "configs/load.h"
#include "tasks/dynamic_boxes/dynamic_boxes.h"
#include "tasks/dynamic_boxes/options.h"
#include "tasks/static_map/options.h"
#include "tasks/static_map/static_map.h"
#include "tasks/task_evaluation.h"

namespace bevgrad {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string usage_error_of(const std::vector<std::string>& sets) {
  try {
    TaskList(standard_tasks(), configs::load({.config = "mini_step2_static", .sets = sets}));
  } catch (const UsageError& error) {
    return error.what();
  }
  return "no error";
}

TEST(TaskListTest, SwitchesOfTheConfigAreTranslatedToRows) {
  const TaskList one(standard_tasks(), configs::load({.config = "mini_step1"}));
  ASSERT_EQ(one.active().size(), 2u);
  EXPECT_EQ(one.active()[0].name, "static");
  EXPECT_EQ(one.active()[1].name, "dynamic");
  EXPECT_FALSE(one.active()[0].uses_history);
  const TaskList two(standard_tasks(), configs::load({.config = "mini_step2_static"}));
  ASSERT_EQ(two.active().size(), 1u);
  EXPECT_TRUE(two.active()[0].uses_history);
  // A row that is off is told to the network all the same, and builds nothing.
  ASSERT_EQ(two.heads().size(), 5u);
  EXPECT_TRUE(two.heads()[0].make);
  EXPECT_EQ(two.heads()[1].name, "bev_dynamic_head");
  EXPECT_FALSE(two.heads()[1].make);
  EXPECT_EQ(two.heads()[2].name, "bev_vector_head");
  EXPECT_FALSE(two.heads()[2].make);
  EXPECT_EQ(two.heads()[3].name, "bev_occupancy_head");
  EXPECT_FALSE(two.heads()[3].make);
  EXPECT_EQ(two.heads()[4].name, "bev_attribute_head");
  EXPECT_FALSE(two.heads()[4].make);
}

TEST(TaskListTest, AConfigWithoutATaskIsRefused) {
  EXPECT_THAT(usage_error_of({"tasks.static_task=false", "tasks.enable_static_temporal=false"}),
              HasSubstr("no task is on"));
  EXPECT_THAT(usage_error_of({"tasks.static_task=false", "tasks.dynamic_task=true"}),
              ::testing::AllOf(HasSubstr("tasks.enable_static_temporal"), HasSubstr("no task that is on takes")));
}

TEST(TaskListTest, TwoRowsOfOneNameAreAnError) {
  const configs::Document document = configs::load({.config = "mini_step1"});
  EXPECT_THROW(TaskList({static_map_task(), static_map_task()}, document), Error);
  TaskKind other = static_map_task();
  other.module = "bev_other_head";
  EXPECT_THROW(TaskList({static_map_task(), other}, document), Error);
  other.name = "other";
  EXPECT_EQ(TaskList({static_map_task(), other}, document).active().size(), 2u);
}

TEST(TaskOptions, DecodingKnowsTheGridAndTheSymmetricClasses) {
  const config::Config proto = configs::load({.config = "mini_step1", .sets = {"grid.bev_cell=1.6"}}).proto;
  EXPECT_DOUBLE_EQ(instance_decode_options(proto).cell, 0.8);
  EXPECT_EQ(instance_decode_options(proto).symmetric, std::vector<bool>({true, false, true, true}));
  EXPECT_DOUBLE_EQ(box_decode_options(proto).cell, 1.6);
}

TEST(TaskOptions, FullSizeIsTheHeadsDefault) {
  const config::Config proto = configs::load({.config = "hpa_step1"}).proto;
  EXPECT_TRUE(static_head_options(proto) == StaticHeadOptions());
  EXPECT_TRUE(dynamic_head_options(proto) == DynamicHeadOptions());
}

struct Impossible {
  const char* set;
  const char* says;
};

class ImpossibleTaskOptions : public ::testing::TestWithParam<Impossible> {};

// Whether the task is on or off: evaluation and pictures use the options too.
TEST_P(ImpossibleTaskOptions, AreRefusedByName) {
  const std::string set = GetParam().set;
  EXPECT_THAT(usage_error_of({set}),
              ::testing::AllOf(HasSubstr("--set " + set.substr(0, set.find('='))), HasSubstr(GetParam().says),
                               HasSubstr("field \"" + set.substr(0, set.find_first_of("=[")))));
}

INSTANTIATE_TEST_SUITE_P(
    Table, ImpossibleTaskOptions,
    ::testing::Values(
        Impossible{"network.static_head.lane_classes[1]=SolidLine", "twice"},
        Impossible{"network.static_head.symmetric_classes[0]=Colum", "Column"},
        Impossible{"network.static_head.up1_channels=0", "1 to 4096"},
        Impossible{"network.static_head.up2_channels=5000", "1 to 4096"},
        Impossible{"network.static_head.max_instances=0", "1 to 10000"},
        Impossible{"network.static_head.score_threshold=1.5", "0 to 1"},
        Impossible{"network.static_head.nms_iou=-1", "0 to 1"},
        Impossible{"network.dynamic_head.channels=0", "1 to 4096"},
        Impossible{"network.dynamic_head.classes[1]=car", "twice"},
        Impossible{"network.dynamic_head.max_boxes=0", "1 to 10000"},
        Impossible{"network.dynamic_head.score_threshold=2", "0 to 1"},
        Impossible{"network.dynamic_head.nms_iou=2", "0 to 1"},
        Impossible{"loss.lane_class_weights=[1,2]", "9 classes"},
        Impossible{"loss.road_class_weights=[1,2,3,-1]", "0 or more"}, Impossible{"loss.focal_alpha=2", "0 to 1"},
        Impossible{"loss.focal_gamma=17", "0 to 16"}, Impossible{"loss.static_weight=-1", "0 or more"},
        Impossible{"loss.road_dice=-1", "0 or more"}, Impossible{"loss.dynamic_weight=-1", "0 or more"},
        Impossible{"loss.dynamic_box=-1", "0 or more"}, Impossible{"eval.series_eval_conf=[1.5]", "0 to 1"},
        Impossible{"eval.series_dis_thresh=0", "positive"}, Impossible{"eval.ranges[0].y_max=-30", "not above"},
        Impossible{"eval.ranges[1].name=all", "twice"}, Impossible{"eval.line_classes[0]=Wal", "did you mean \"Wall\""},
        Impossible{"eval.instance_iou=2", "0 to 1"}, Impossible{"eval.iou_threshold=2", "0 to 1"},
        Impossible{"drawing.lane_threshold=7", "0 to 1"}, Impossible{"drawing.querylane_points_num=1", "2 to 10000"}));

TEST(TaskOptions, EachTaskSaysWhatOfItIsCountedAndDrawn) {
  const config::Config proto = configs::load({.config = "mini_step1",
                                              .sets = {"eval.eval_dynamic=false", "eval.instance_iou=0.4",
                                                       "eval.ranges[0].name=near", "drawing.stopline_threshold=0.2"}})
                                   .proto;
  EvaluationOptions evaluation;
  static_map_task().add_to_evaluation(evaluation, proto);
  EXPECT_EQ(evaluation.instance_iou, 0.4);
  ASSERT_EQ(evaluation.ranges.size(), 5u);
  EXPECT_EQ(evaluation.ranges[0].name, "near");
  EXPECT_TRUE(evaluation.dynamic_ap);
  dynamic_boxes_task().add_to_evaluation(evaluation, proto);
  EXPECT_FALSE(evaluation.dynamic_ap);
  DrawingOptions drawing;
  static_map_task().add_to_drawing(drawing, proto);
  EXPECT_FLOAT_EQ(drawing.threshold_of("StopLine"), 0.2f);
}

TEST(NetworkOutputTest, KeepsTheOrderAndNamesWhatIsThere) {
  NetworkOutput output;
  output.set("b", ones({1}));
  output.set("a", ones({2}), "head");
  output.set("b", ones({3}));
  std::vector<std::string> names;
  for (const NetworkMap& entry : output) names.push_back(entry.name);
  EXPECT_THAT(names, ElementsAre("b", "a"));
  EXPECT_EQ(output.at("b").size(0), 3);
  EXPECT_FALSE(output.get("c").defined());
  try {
    output.at("c");
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("no map c, it gave b, a"));
  }
  EXPECT_THROW(output.set("c", Tensor()), Error);
}

TEST(TaskOptions, DecodingIsWhatTheConfigSays) {
  const config::Config proto =
      configs::load({.config = "mini_step1",
                     .sets = {"network.static_head.max_instances=7", "network.static_head.score_threshold=0.31",
                              "network.static_head.nms_iou=0.33", "network.dynamic_head.max_boxes=9",
                              "network.dynamic_head.score_threshold=0.37", "network.dynamic_head.nms_iou=0.39",
                              "grid.pc_range=[-8,-3.2,-3,8,3.2,5]", "network.static_head.up1_channels=11",
                              "network.static_head.up2_channels=13", "network.dynamic_head.channels=17"}})
          .proto;
  const InstanceDecodeOptions instances = instance_decode_options(proto);
  EXPECT_EQ(instances.max_instances, 7);
  EXPECT_FLOAT_EQ(instances.score_threshold, 0.31f);
  EXPECT_EQ(instances.nms_iou, 0.33);
  EXPECT_EQ(instances.x_min, -8);
  EXPECT_EQ(instances.y_min, -3.2);
  const BoxDecodeOptions boxes = box_decode_options(proto);
  EXPECT_EQ(boxes.max_boxes, 9);
  EXPECT_FLOAT_EQ(boxes.score_threshold, 0.37f);
  EXPECT_EQ(boxes.nms_iou, 0.39);
  EXPECT_EQ(boxes.x_min, -8);
  EXPECT_EQ(boxes.y_min, -3.2);
  const StaticHeadOptions head = static_head_options(proto);
  EXPECT_EQ(head.up1_channels, 11);
  EXPECT_EQ(head.up2_channels, 13);
  EXPECT_EQ(head.lane_classes, 9);
  EXPECT_EQ(head.road_classes, 4);
  EXPECT_EQ(head.instance_classes, 4);
  EXPECT_EQ(dynamic_head_options(proto).channels, 17);
  EXPECT_EQ(dynamic_head_options(proto).classes, 8);
}

TEST(TaskListTest, HistoryIsForTheTaskThatTakesIt) {
  const TaskList tasks(standard_tasks(),
                       configs::load({.config = "mini_step2_static", .sets = {"tasks.dynamic_task=true"}}));
  ASSERT_EQ(tasks.active().size(), 2u);
  EXPECT_TRUE(tasks.active()[0].uses_history);
  EXPECT_FALSE(tasks.active()[1].uses_history);
}

/// A task with a metric of its own, beside the standard ones.
class CountingTask : public Task {
 public:
  class Metric : public TaskMetric {
   public:
    void add(const JudgedFrame&) override { ++frames_; }
    std::string state() const override { return std::to_string(frames_); }
    void merge(const std::string& state) override { frames_ += std::stoi(state); }
    std::vector<Table> tables() const override { return {}; }
    std::map<std::string, double> headline() const override { return {{"frames", frames_}}; }
    std::vector<std::string> headline_names() const override { return {"frames"}; }

   private:
    int frames_ = 0;
  };
  std::unique_ptr<Head> make_head(int64_t, Generator&) const override { return nullptr; }
  bool takes(const config::ListGroup&) const override { return true; }
  double weight() const override { return 1; }
  std::vector<LossTerm> losses(const NetworkOutput&, const Batch&) const override { return {}; }
  std::unique_ptr<TaskMetric> make_metric() const override { return std::make_unique<Metric>(); }
};

TEST(TaskMetrics, AreSharedByRanksAndReachTheHeadline) {
  const configs::Document document = configs::load({.config = "mini_step1"});
  const TaskList tasks(
      {{.name = "counting",
        .module = "bev_counting_head",
        .input = kBevFused,
        .make = [](const configs::Document&) -> std::unique_ptr<Task> { return std::make_unique<CountingTask>(); }}},
      document);
  EXPECT_THAT(headline_names(tasks), ::testing::Contains("frames"));
  TaskEvaluation first({}, tasks), second({}, tasks);
  const EvaluationFrame frame;
  const NetworkOutput output;
  const Batch batch;
  for (int i = 0; i < 3; ++i) first.add({frame, output, batch, 0});
  second.add({frame, output, batch, 0});
  first.merge(second.state());
  EXPECT_EQ(first.summary().headline.figures.at("frames"), 4);
  EXPECT_THROW(first.merge("3 ab"), Error);
}

}  // namespace
}  // namespace bevgrad
