// What a training's log counts between two of its lines.
#pragma once
#include <chrono>
#include <cstdint>

#include "internal/clock.h"
#include "train/data_parallel/step_times.h"
#include "train/trainer.h"

namespace bevgrad {

struct Trainer::Pace {
  explicit Pace(const DataParallel& parallel) : clock([&parallel] { return parallel.waited(); }) {}

  StepClock clock;
  SlowRankWatch slow_rank;
  SlowDataWatch slow_data;
  Clock::time_point drawn = Clock::now();  // when a terminal's line was last drawn
  double rate = 0;

  // Since the last line of the log.
  Clock::time_point start = Clock::now();
  int64_t steps = 0;
  double loss = 0;
};

}  // namespace bevgrad
