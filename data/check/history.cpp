#include "data/check/history.h"

#include <algorithm>
#include <cmath>

namespace bevgrad {

namespace {

/// Temporal fusion judges differences of timestamps to a microsecond.
constexpr double kTimeResolution = 1e-6;

/// The times of one stream, and the number of frames that each interval finds a match for.
void count_matches(const std::vector<double>& times, const HistoryRule& rule, std::vector<int64_t>& found) {
  const double tolerance = rule.match_tol + kTimeResolution;
  int64_t most_back = rule.max_capacity;
  if (rule.chunk_frames > 0) most_back = std::min(most_back, rule.chunk_frames - 1);
  for (size_t k = 0; k < rule.intervals.size(); ++k) {
    size_t first = 0;  // the oldest frame that is not too old
    for (size_t i = 0; i < times.size(); ++i) {
      const double wanted = times[i] - rule.intervals[k];
      while (first < i && times[first] < wanted - tolerance) ++first;
      // Of the frames within the tolerance the newest is the likeliest to be kept still.
      const auto after = std::upper_bound(times.begin() + static_cast<std::ptrdiff_t>(first),
                                          times.begin() + static_cast<std::ptrdiff_t>(i), wanted + tolerance);
      const auto newest = after - times.begin() - 1;
      found[k] += newest >= static_cast<std::ptrdiff_t>(first) &&
                  static_cast<int64_t>(i) - static_cast<int64_t>(newest) <= most_back;
    }
  }
}

}  // namespace

std::vector<HistoryReach> history_reach(const Dataset& dataset, const HistoryRule& rule) {
  std::vector<HistoryReach> all;
  std::vector<std::vector<double>> steps(dataset.groups().size());
  for (const ListGroup& group : dataset.groups())
    all.push_back({group.name, 0, 0, std::vector<int64_t>(rule.intervals.size())});
  for (const Stream& stream : dataset.streams()) {
    const auto group = static_cast<size_t>(stream.group);
    std::vector<double> times;
    for (const int64_t frame : stream.frames) {
      times.push_back(dataset.entry(frame).timestamp);
      if (times.size() > 1) steps[group].push_back(times.back() - times[times.size() - 2]);
    }
    all[group].frames += static_cast<int64_t>(times.size());
    count_matches(times, rule, all[group].found);
  }
  for (size_t group = 0; group < all.size(); ++group) {
    if (steps[group].empty()) continue;
    const auto middle = steps[group].begin() + static_cast<std::ptrdiff_t>(steps[group].size() / 2);
    std::nth_element(steps[group].begin(), middle, steps[group].end());
    all[group].period = *middle;
  }
  return all;
}

std::string to_text(const HistoryReach& reach, const HistoryRule& rule) {
  std::string text = reach.set + ": history of ";
  for (size_t k = 0; k < rule.intervals.size(); ++k) {
    text += k == 0 ? fmt::format("{:.4g} s found for {} of {} frames", rule.intervals[k], reach.found[k], reach.frames)
                   : fmt::format(", {:.4g} s for {}", rule.intervals[k], reach.found[k]);
  }
  return text + (reach.period > 0 ? fmt::format(" (frames are {:.2f} s apart)", reach.period)
                                  : " (no sequence has two frames)");
}

std::vector<double> reachable_intervals(const HistoryRule& rule, double period) {
  std::vector<double> intervals;
  for (const double interval : rule.intervals) {
    const double least = intervals.empty() ? 1 : std::round(intervals.back() / period) + 1;
    intervals.push_back(std::max(least, std::round(interval / period)) * period);
  }
  return intervals;
}

}  // namespace bevgrad
