#include "train/data_parallel/step_times.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "distributed/ranks.h"

namespace bevgrad {
namespace {

using testing::AllOf;
using testing::HasSubstr;

StepTimes times(double data, double forward, double backward, double exchange) {
  StepTimes result;
  result.seconds = {data, forward, backward, 0, exchange};
  return result;
}

TEST(StepClock, WhatWasWaitedForOthersIsNoOnesOwn) {
  double waited = 5;
  StepClock clock([&] { return waited; });
  clock.start();
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  clock.done(StepPart::Data);
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  waited += 0.02;
  clock.done(StepPart::Forward);
  const StepTimes taken = clock.take();
  EXPECT_GE(taken.of(StepPart::Data), 0.02);
  EXPECT_GE(taken.of(StepPart::Forward), 0.01);
  EXPECT_NEAR(taken.of(StepPart::Exchange), 0.02, 1e-9);
  EXPECT_NEAR(taken.own(), taken.of(StepPart::Data) + taken.of(StepPart::Forward), 1e-9);
  EXPECT_EQ(clock.take().own(), 0);
}

TEST(StepTimes, EveryRankHearsOfAll) {
  const std::vector<std::string> errors = run_ranks({3, DeviceKind::CPU}, [](ProcessGroup& group, Device) {
    const std::vector<StepTimes> all = gather_times(group, times(group.rank(), 1, 2, 3));
    ASSERT_EQ(all.size(), 3u);
    for (int rank = 0; rank < 3; ++rank) EXPECT_EQ(all[static_cast<size_t>(rank)].of(StepPart::Data), rank);
  });
  EXPECT_THAT(errors, testing::Each(""));
}

TEST(StepTimes, TheLineNamesWhoWasLastAndWhy) {
  const std::string line = describe_times({times(0.2, 2, 4, 3), times(5, 2, 4, 0), times(0.4, 2, 4, 3)}, 10);
  EXPECT_THAT(line, AllOf(HasSubstr("rank 0 data 0.020 forward 0.200 backward 0.400 update 0.000 exchange 0.300"),
                          HasSubstr("rank 2 data 0.040"),
                          HasSubstr("last was rank 1: data 0.500 s a step (the others 0.030)")));
  EXPECT_THAT(describe_times(std::vector<StepTimes>(100, times(1, 1, 1, 1)), 1),
              AllOf(HasSubstr("16 slowest of 100 ranks"), testing::Not(HasSubstr("rank 40 "))));
}

TEST(SlowRank, IsSaidWhereItIsSteady) {
  const std::vector<StepTimes> even = {times(0, 20, 20, 0), times(0, 22, 20, 0)};
  const std::vector<StepTimes> slow = {times(0, 20, 20, 10), times(0, 20, 50, 0)};
  const std::vector<StepTimes> other = {times(0, 80, 20, 0), times(0, 20, 20, 60)};
  SlowRankWatch watch;
  EXPECT_EQ(watch.look(slow, 20), "");
  EXPECT_EQ(watch.look(slow, 20), "");
  EXPECT_EQ(watch.look(even, 20), "");
  EXPECT_EQ(watch.look(slow, 20), "");
  EXPECT_EQ(watch.look(slow, 20), "");
  EXPECT_EQ(watch.look(other, 20), "");  // another one
  EXPECT_EQ(watch.look(slow, 20), "");
  EXPECT_EQ(watch.look(slow, 20), "");
  EXPECT_THAT(watch.look(slow, 20),
              AllOf(HasSubstr("rank 1"), HasSubstr("steadily slower"), HasSubstr("backward 2.500 s a step")));
  EXPECT_EQ(watch.look(slow, 20), "");  // once
  EXPECT_EQ(SlowRankWatch().look({times(9, 9, 9, 9)}, 1), "");
}

// A line of the log a step, and steps of milliseconds: one that is slower by chance says nothing.
TEST(SlowRank, IsJudgedOverTwentySteps) {
  SlowRankWatch rank;
  SlowDataWatch data;
  for (int step = 1; step < 60; ++step) {
    EXPECT_EQ(rank.look({times(0, 1, 1, 2), times(0, 1, 3, 0)}, 1), "") << step;
    EXPECT_EQ(data.look(5, 10, 1, 1, 8, false), "") << step;
  }
  EXPECT_THAT(rank.look({times(0, 1, 1, 2), times(0, 1, 3, 0)}, 1), HasSubstr("backward 3.000 s a step"));
  EXPECT_THAT(data.look(5, 10, 1, 1, 8, false), HasSubstr("50% of the time"));
}

TEST(SlowData, SaysWhatToChange) {
  SlowDataWatch few, many, never;
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(few.look(5, 10, 20, 1, 8, false), "");
    EXPECT_EQ(many.look(5, 10, 20, 8, 8, true), "");
  }
  EXPECT_THAT(few.look(5, 10, 20, 1, 8, false),
              AllOf(HasSubstr("50% of the time"), HasSubstr("more train.num_workers (now 1")));
  EXPECT_THAT(many.look(5, 10, 20, 8, 8, true), AllOf(HasSubstr("more cores"), HasSubstr("feature cache")));
  EXPECT_EQ(few.look(5, 10, 20, 1, 8, false), "");
  for (int i = 0; i < 9; ++i) EXPECT_EQ(never.look(1, 10, 20, 1, 8, false), "");
}

}  // namespace
}  // namespace bevgrad
