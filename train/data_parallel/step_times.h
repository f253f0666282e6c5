// Where the ranks' time goes, and which of them the others wait for.
#pragma once
#include <array>
#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "distributed/process_group.h"

namespace bevgrad {

enum class StepPart { Data, Forward, Backward, Update, Exchange };
inline constexpr std::array kStepParts = {"data", "forward", "backward", "update", "exchange"};

/// Seconds of a rank, by StepPart. Exchange is what it waited for others; the rest is its own.
struct StepTimes {
  std::array<double, kStepParts.size()> seconds = {};

  double of(StepPart part) const { return seconds[static_cast<size_t>(part)]; }
  double own() const;
};

class StepClock {
 public:
  /// `waited`: seconds that this rank has waited for others, all in all.
  explicit StepClock(std::function<double()> waited) : waited_(std::move(waited)) {}
  /// From now on time counts.
  void start();
  /// What has passed since the last call was this part, but for what was waited for others.
  void done(StepPart part);
  /// The sums so far; they begin anew.
  StepTimes take();

 private:
  std::function<double()> waited_;
  std::chrono::steady_clock::time_point last_;
  double last_waited_ = 0;
  StepTimes times_;
};

/// Every rank's, in their order. All ranks call it.
std::vector<StepTimes> gather_times(ProcessGroup& group, const StepTimes& own);

/// A line of all ranks' seconds a step, and of the one that was last; of many ranks those that had least time left.
std::string describe_times(const std::vector<StepTimes>& ranks, int64_t steps);

/// Finds a rank that is slower than the others time after time.
class SlowRankWatch {
 public:
  /// Takes what all ranks say of the same steps and judges each twenty or more of them. A warning where a rank has for
  /// the third time in a row taken a fifth longer than the median of the others, and what takes it longer; again only
  /// after it has been as fast as they. "" otherwise.
  std::string look(const std::vector<StepTimes>& ranks, int64_t steps);

 private:
  std::string judge(const std::vector<StepTimes>& ranks, int64_t steps);

  std::vector<StepTimes> sums_;  // not judged yet
  int64_t steps_ = 0;
  int slowest_ = -1, times_in_a_row_ = 0;
};

/// Finds that the training waits for its data.
class SlowDataWatch {
 public:
  /// `seconds` of a log interval of so many steps and the share of them that data took; `workers` of the loader,
  /// `cores` for each rank. Judges each twenty steps or more: a warning with what to change where that was over a fifth
  /// three times in a row; said once. "" otherwise.
  std::string look(double waited, double seconds, int64_t steps, int workers, int cores, bool is_cached);

 private:
  double waited_ = 0, seconds_ = 0;  // not judged yet
  int64_t steps_ = 0;
  int times_in_a_row_ = 0;
};

}  // namespace bevgrad
