// The parts that a config chooses by name, as tables of rows that `main` passes down. A row is a name, what makes the
// part, and what judges its options; a program of one's own adds rows to standard_parts() (docs/extending.md).
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "configs/judge.h"
#include "optim/lr_schedule.h"
#include "optim/optimizer.h"
#include "tasks/task.h"

namespace bevgrad {

template <class Make>
struct PartKind;

/// `make` is a plain function: a row holds no state.
template <class Result, class... Args>
struct PartKind<Result(Args...)> {
  std::string name;
  Result (*make)(Args...);
  /// Refuses impossible options, with the place where they were written. Null: there is nothing to judge but what the
  /// schema judges.
  void (*judge)(const configs::Judge& judge, const config::Config& proto) = nullptr;
};

/// `train.optimizer`
using OptimizerKind = PartKind<std::unique_ptr<Optimizer>(const config::Train&)>;
/// `train.lr_schedule`
using LrScheduleKind = PartKind<LrSchedule(const config::Train&)>;

struct Parts {
  std::vector<TaskKind> tasks;
  std::vector<OptimizerKind> optimizers;
  std::vector<LrScheduleKind> lr_schedules;
};

/// What this project has: the tasks static and dynamic; AdamW and SGD; multistep and cosine.
Parts standard_parts();

/// Throws UsageError in one line for a name that is in no table, listing the known and the near ones, and for options
/// that the chosen rows refuse.
void judge_parts(const configs::Document& document, const Parts& parts);

/// The optimizer and the schedule that the config names. Throw UsageError as judge_parts does.
std::unique_ptr<Optimizer> make_optimizer(const configs::Document& document, const Parts& parts);
LrSchedule make_lr_schedule(const configs::Document& document, const Parts& parts);

/// The train and the fine-tune phase of a config: what a schedule is made of.
std::vector<LrPhase> lr_phases(const config::Train& train);

}  // namespace bevgrad
