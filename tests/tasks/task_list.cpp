// From the table of tasks and a config to the tasks that are on, and what they say of themselves.
#include "tasks/task_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "configs/load.h"
#include "tasks/dynamic_boxes/dynamic_boxes.h"
#include "tasks/static_map/static_map.h"

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
  ASSERT_EQ(two.heads().size(), 2u);
  EXPECT_TRUE(two.heads()[0].make);
  EXPECT_EQ(two.heads()[1].name, "bev_dynamic_head");
  EXPECT_FALSE(two.heads()[1].make);
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

}  // namespace
}  // namespace bevgrad
