#include "train/metric_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "evaluation/evaluator.h"

namespace bevgrad {
namespace {

using testing::HasSubstr;

TEST(MetricWatch, KeepsTheFirstOfTheBestAndCountsWhatFollows) {
  MetricWatch watch({"miou", false, 2}, headline_names());
  EXPECT_EQ(watch.last_step(), -1);
  EXPECT_TRUE(watch.update(10, {{"miou", 0.2}, {"lane_f1", 0.9}}));
  EXPECT_FALSE(watch.update(20, {{"miou", 0.2}}));
  EXPECT_FALSE(watch.should_stop());
  EXPECT_TRUE(watch.update(30, {{"miou", 0.3}}));
  EXPECT_FALSE(watch.update(40, {{"miou", 0.1}}));
  EXPECT_FALSE(watch.update(50, {{"miou", 0.25}}));
  EXPECT_TRUE(watch.should_stop());
  EXPECT_EQ(watch.best(), 0.3);
  EXPECT_EQ(watch.best_step(), 30);
  EXPECT_EQ(watch.last_step(), 50);
}

TEST(MetricWatch, LowerCanBeBetterAndNothingIsNever) {
  MetricWatch watch({"lane_f1", true, 0}, headline_names());
  EXPECT_FALSE(watch.update(1, {}));
  EXPECT_FALSE(watch.update(2, {{"lane_f1", std::nan("")}}));
  EXPECT_TRUE(watch.update(3, {{"lane_f1", 0.5}}));
  EXPECT_FALSE(watch.update(4, {{"lane_f1", 0.6}}));
  EXPECT_TRUE(watch.update(5, {{"lane_f1", 0.4}}));
  EXPECT_FALSE(watch.should_stop());
  MetricWatch none({}, headline_names());
  EXPECT_FALSE(none.update(7, {{"miou", 1.0}}));
  EXPECT_EQ(none.last_step(), 7);
}

TEST(MetricWatch, GoesOnFromItsState) {
  MetricWatch before({"miou", false, 3}, headline_names());
  before.update(10, {{"miou", 0.1 + 0.2}});
  before.update(20, {{"miou", 0.1}});
  MetricWatch after({"miou", false, 3}, headline_names());
  after.restore(before.state());
  EXPECT_EQ(after.best(), before.best());
  EXPECT_EQ(after.best_step(), 10);
  EXPECT_EQ(after.since_best(), 1);
  EXPECT_EQ(after.last_step(), 20);
  EXPECT_EQ(after.state(), before.state());
  // Another metric begins anew, at the same step.
  MetricWatch other({"lane_f1", false, 1}, headline_names());
  other.restore(before.state());
  EXPECT_FALSE(other.best());
  EXPECT_EQ(other.since_best(), 0);
  EXPECT_EQ(other.last_step(), 20);
  // One that was n/a all the time keeps its count.
  MetricWatch nothing({"miou", false, 3}, headline_names());
  nothing.update(5, {});
  other.restore(nothing.state());
  EXPECT_EQ(other.since_best(), 1);
  other.restore({});
  EXPECT_EQ(other.last_step(), -1);
}

TEST(MetricWatch, AnUnknownNumberListsTheNearOnes) {
  try {
    MetricWatch watch({"lane_mio", false, 0}, headline_names());
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), testing::AllOf(HasSubstr("train.checkpoint_metric"), HasSubstr("\"lane_miou\"")));
  }
  EXPECT_THROW(MetricWatch({"", false, 1}, headline_names()), UsageError);
}

TEST(MetricWatch, RemembersTheBestOnes) {
  MetricWatch watch({"miou", false, 0, 2}, headline_names());
  for (const auto& [step, value] : std::vector<std::pair<int64_t, double>>{{1, 0.2}, {2, 0.5}, {3, 0.2}, {4, 0.1}})
    watch.update(step, {{"miou", value}});
  EXPECT_EQ(watch.best_steps(), (std::set<int64_t>{1, 2}));  // the earlier of two that are equal
  watch.update(5, {{"miou", 0.3}});
  watch.update(6, {});
  EXPECT_EQ(watch.best_steps(), (std::set<int64_t>{2, 5}));
  MetricWatch resumed({"miou", false, 0, 2}, headline_names());
  resumed.restore(watch.state());
  EXPECT_EQ(resumed.best_steps(), watch.best_steps());
  MetricWatch fewer({"miou", false, 0, 1}, headline_names());
  fewer.restore(watch.state());
  EXPECT_EQ(fewer.best_steps(), (std::set<int64_t>{2}));
  MetricWatch other({"lane_f1", false, 0, 2}, headline_names());
  other.restore(watch.state());
  EXPECT_TRUE(other.best_steps().empty());
  std::map<std::string, double> hostile = watch.state();
  hostile["best of step x"] = 9;
  EXPECT_NO_THROW(fewer.restore(hostile));
}

TEST(MetricWatch, WeightsThatCouldNotBeKeptAreNotTheBest) {
  MetricWatch watch({"miou", false, 2}, headline_names());
  watch.update(1, {{"miou", 0.2}});
  const MetricWatch before = watch;
  EXPECT_TRUE(watch.update(2, {{"miou", 0.6}}));
  watch.forget_best(before);
  EXPECT_EQ(watch.best_step(), 1);
  EXPECT_EQ(watch.since_best(), 0);  // it did get better
  EXPECT_TRUE(watch.update(3, {{"miou", 0.4}}));
}

}  // namespace
}  // namespace bevgrad
