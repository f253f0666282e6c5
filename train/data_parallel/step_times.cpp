#include "train/data_parallel/step_times.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <numeric>

#include "base/error.h"

namespace bevgrad {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kSteady = 3;
constexpr int64_t kFewestSteps = 20;  // fewer say nothing: a disk that hiccups, a core that was away
constexpr double kMuchSlower = 1.2, kMuchWaiting = 0.2;
constexpr size_t kMostShown = 16;

size_t slowest_of(const std::vector<StepTimes>& ranks) {
  return static_cast<size_t>(std::ranges::max_element(ranks, {}, [](const StepTimes& times) { return times.own(); }) -
                             ranks.begin());
}

/// Of `value(rank)` over all ranks but one.
template <class Value>
double median_of_others(const std::vector<StepTimes>& ranks, size_t but, Value value) {
  std::vector<double> all;
  for (size_t rank = 0; rank < ranks.size(); ++rank)
    if (rank != but) all.push_back(value(ranks[rank]));
  std::ranges::sort(all);
  return all.empty() ? 0 : (all[(all.size() - 1) / 2] + all[all.size() / 2]) / 2;
}

/// "data 0.500 s a step (the others 0.020)": the part in which a rank is behind the others most.
std::string why_slow(const std::vector<StepTimes>& ranks, size_t rank, int64_t steps) {
  size_t worst = 0;
  double most = -1, usual = 0;
  for (size_t part = 0; part < static_cast<size_t>(StepPart::Exchange); ++part) {
    const double median = median_of_others(ranks, rank, [&](const StepTimes& times) { return times.seconds[part]; });
    if (ranks[rank].seconds[part] - median <= most) continue;
    most = ranks[rank].seconds[part] - median;
    worst = part;
    usual = median;
  }
  const auto count = static_cast<double>(steps);
  return fmt::format("{} {:.3f} s a step (the others {:.3f})", kStepParts[worst], ranks[rank].seconds[worst] / count,
                     usual / count);
}

}  // namespace

double StepTimes::own() const {
  return std::accumulate(seconds.begin(), seconds.end(), 0.0) - of(StepPart::Exchange);
}

void StepClock::start() {
  last_ = Clock::now();
  last_waited_ = waited_();
}

void StepClock::done(StepPart part) {
  const Clock::time_point now = Clock::now();
  const double passed = std::chrono::duration<double>(now - last_).count();
  const double waited = std::clamp(waited_() - last_waited_, 0.0, passed);
  times_.seconds[static_cast<size_t>(StepPart::Exchange)] += waited;
  times_.seconds[static_cast<size_t>(part)] += passed - waited;
  last_ = now;
  last_waited_ += waited;
}

StepTimes StepClock::take() {
  return std::exchange(times_, {});
}

std::vector<StepTimes> gather_times(ProcessGroup& group, const StepTimes& own) {
  if (group.size() == 1) return {own};
  const auto parts = static_cast<int64_t>(own.seconds.size());
  const Tensor mine = empty({parts}, {DType::Float64}), all = empty({parts * group.size()}, {DType::Float64});
  std::memcpy(mine.raw_data(), own.seconds.data(), sizeof(own.seconds));
  group.all_gather(all, mine)->wait();
  std::vector<StepTimes> ranks(static_cast<size_t>(group.size()));
  for (size_t rank = 0; rank < ranks.size(); ++rank)
    std::memcpy(ranks[rank].seconds.data(), all.data<double>() + rank * own.seconds.size(), sizeof(own.seconds));
  return ranks;
}

std::string describe_times(const std::vector<StepTimes>& ranks, int64_t steps) {
  const auto count = static_cast<double>(std::max<int64_t>(1, steps));
  std::vector<size_t> shown(ranks.size());
  std::iota(shown.begin(), shown.end(), size_t{0});
  std::string line = "seconds a step";
  if (ranks.size() > kMostShown) {
    std::ranges::stable_sort(shown, std::greater(), [&](size_t rank) { return ranks[rank].own(); });
    shown.resize(kMostShown);
    line += fmt::format(" of the {} slowest of {} ranks", kMostShown, ranks.size());
  }
  for (const size_t rank : shown) {
    line += fmt::format("; rank {}", rank);
    for (size_t part = 0; part < kStepParts.size(); ++part)
      line += fmt::format(" {} {:.3f}", kStepParts[part], ranks[rank].seconds[part] / count);
  }
  if (ranks.size() < 2) return line;
  const size_t last = slowest_of(ranks);
  return line + fmt::format("; last was rank {}: {}", last, why_slow(ranks, last, std::max<int64_t>(1, steps)));
}

std::string SlowRankWatch::look(const std::vector<StepTimes>& added, int64_t more_steps) {
  if (added.size() < 2) return "";
  sums_.resize(added.size());
  for (size_t rank = 0; rank < added.size(); ++rank)
    for (size_t part = 0; part < kStepParts.size(); ++part) sums_[rank].seconds[part] += added[rank].seconds[part];
  steps_ += more_steps;
  if (steps_ < kFewestSteps) return "";
  return judge(std::exchange(sums_, {}), std::exchange(steps_, 0));
}

std::string SlowRankWatch::judge(const std::vector<StepTimes>& ranks, int64_t steps) {
  const size_t last = slowest_of(ranks);
  const double usual = median_of_others(ranks, last, [](const StepTimes& times) { return times.own(); });
  const bool is_slow = ranks[last].own() > kMuchSlower * usual;
  if (!is_slow || static_cast<int>(last) != slowest_) times_in_a_row_ = 0;
  slowest_ = is_slow ? static_cast<int>(last) : -1;
  if (!is_slow || ++times_in_a_row_ != kSteady) return "";
  return fmt::format(
      "all ranks wait for rank {}, which is steadily slower: {:.3f} s of its own a step, the others "
      "{:.3f}; most of it is {}",
      last, ranks[last].own() / static_cast<double>(steps), usual / static_cast<double>(steps),
      why_slow(ranks, last, steps));
}

std::string SlowDataWatch::look(double more_waited, double more_seconds, int64_t more_steps, int workers, int cores,
                                bool is_cached) {
  waited_ += more_waited;
  seconds_ += more_seconds;
  steps_ += more_steps;
  if (times_in_a_row_ >= kSteady || steps_ < kFewestSteps) return "";
  const double waited = std::exchange(waited_, 0), seconds = std::exchange(seconds_, 0);
  steps_ = 0;
  times_in_a_row_ = waited > kMuchWaiting * seconds ? times_in_a_row_ + 1 : 0;
  if (times_in_a_row_ < kSteady) return "";
  std::string advice = workers < cores
                           ? fmt::format("more train.num_workers (now {}, of {} core(s) for this rank)", workers, cores)
                           : fmt::format("more cores for the {} train.num_workers (this rank has {})", workers, cores);
  advice += is_cached ? ", or the feature cache on a faster disk" : ", or smaller stored pictures, or a faster disk";
  return fmt::format("the training waits for its data {:.0f}% of the time; what helps: {}", 100 * waited / seconds,
                     advice);
}

}  // namespace bevgrad
