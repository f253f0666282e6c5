#include "models/history_selection.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "tensor/ops.h"

namespace bevgrad {
namespace {

/// Differences of timestamps are judged to a microsecond: 10.0 - 9.3 must match an interval of 0.7.
constexpr double kTimeResolution = 1e-6;

int64_t closest_frame(std::span<const double> past, double now, double interval, double match_tol) {
  int64_t best = -1;
  double closest = match_tol + kTimeResolution;
  for (size_t i = 0; i < past.size(); ++i) {  // oldest first, so that of two as close the newer wins
    if (past[i] >= now) continue;
    const double distance = std::abs(now - interval - past[i]);
    if (distance <= closest + (best >= 0 ? kTimeResolution : 0)) {
      best = static_cast<int64_t>(i);
      closest = std::min(closest, distance);
    }
  }
  return best;
}

void write_warp(const History& history, int64_t n, int64_t k, const GroundWarp& warp) {
  const int64_t count = history.feature_warp_matrix.size(1);
  std::copy(warp.m.begin(), warp.m.end(), history.feature_warp_matrix.data<double>() + (n * count + k) * 6);
}

}  // namespace

void HistoryOptions::validate() const {
  if (intervals.empty()) throw UsageError("history: no interval, expected at least one");
  for (size_t i = 0; i < intervals.size(); ++i) {
    if (!(intervals[i] > (i ? intervals[i - 1] : 0.0)) || !std::isfinite(intervals[i]))
      throw UsageError(
          fmt::format("history: interval {} is impossible, expected rising positive seconds", intervals[i]));
  }
  if (!(match_tol >= 0) || !(match_tol < intervals[0]))
    throw UsageError(fmt::format("history: match_tol {} is impossible, expected 0 to below the first interval {}",
                                 match_tol, intervals[0]));
  if (!(drop >= 0 && drop <= 1)) throw UsageError(fmt::format("history: drop {} is impossible, expected 0 to 1", drop));
  if (max_capacity < 1)
    throw UsageError(fmt::format("history: max_capacity {} is impossible, expected 1 or more", max_capacity));
  if (storage != DType::Float32 && storage != DType::BFloat16)
    throw UsageError(fmt::format("history: storage {} is not supported, expected float32 or bfloat16", name(storage)));
}

std::vector<double> draw_intervals(const HistoryOptions& options, Generator* generator) {
  std::vector<double> intervals = options.intervals;
  if (generator == nullptr) return intervals;
  for (size_t i = 0; options.interval_variable && i < intervals.size(); ++i) {
    const double nominal = options.intervals[i];
    const double low = ((i ? options.intervals[i - 1] : 0.0) + nominal) / 2;
    const double high = i + 1 < intervals.size() ? (nominal + options.intervals[i + 1]) / 2 : nominal;
    intervals[i] = low + (high - low) * generator->next_uniform();
  }
  for (size_t i = 0; options.drop > 0 && i < intervals.size(); ++i)
    if (generator->next_uniform() < options.drop) intervals[i] = std::numeric_limits<double>::infinity();
  return intervals;
}

double HistoryScale::mark(double timestamp, const Pose& ego_pose, const HistoryOptions& options) const {
  if (!options.by_distance) return timestamp;
  return driven_ + (last_ ? norm(ego_pose.translation() - *last_) : 0);
}

std::optional<double> HistoryScale::add(double timestamp, const Pose& ego_pose, const HistoryOptions& options) {
  const double mark = this->mark(timestamp, ego_pose, options);
  if (!options.by_distance) return mark;
  driven_ = mark;
  last_ = ego_pose.translation();
  if (kept_ && mark - *kept_ < options.match_tol) return std::nullopt;
  return kept_ = mark;
}

int64_t frames_let_go(std::span<const double> marks, const HistoryOptions& options) {
  if (marks.empty()) return 0;
  const double oldest = marks.back() - (options.intervals.back() + options.match_tol + kTimeResolution);
  const auto kept = std::find_if(marks.begin(), marks.end() - 1, [&](double mark) { return mark >= oldest; });
  return std::max(kept - marks.begin(), static_cast<std::ptrdiff_t>(marks.size()) - options.max_capacity);
}

std::vector<HistoryMatch> match_history(std::span<const double> past, double now, const std::vector<double>& intervals,
                                        const HistoryOptions& options) {
  std::vector<HistoryMatch> matches;
  for (const double interval : intervals) {
    const int64_t frame = closest_frame(past, now, interval, options.match_tol);
    matches.push_back({frame, frame});
  }
  if (!options.shuffle_poses) return matches;
  const std::vector<HistoryMatch> posed = matches;
  const size_t count = matches.size();
  for (size_t k = 0; k < count; ++k) {
    HistoryMatch& match = matches[k];
    if (match.frame < 0) continue;
    // The next match's pose, or where this is the only one the far end's of the queue.
    for (size_t step = 1; step < count && match.posed == match.frame; ++step) {
      if (const int64_t other = posed[(k + step) % count].frame; other >= 0) match.posed = other;
    }
    if (match.posed == match.frame) match.posed = match.frame == 0 ? static_cast<int64_t>(past.size()) - 1 : 0;
  }
  return matches;
}

History blank_history(int64_t samples, const HistoryOptions& options) {
  const auto count = static_cast<int64_t>(options.intervals.size());
  History history;
  history.prev_feat_list.resize(options.intervals.size());
  history.feature_warp_matrix = zeros({samples, count, 2, 3}, {.dtype = DType::Float64});
  history.valid = zeros({samples, count}, {.dtype = DType::Bool});
  for (int64_t n = 0; n < samples; ++n) {
    for (int64_t k = 0; k < count; ++k) write_warp(history, n, k, GroundWarp());
  }
  return history;
}

Tensor place_history(History& history, int64_t n, int64_t k, const Pose& now, const Pose& then, const Shape& feature,
                     TensorOptions layout, const HistoryOptions& options) {
  const int64_t samples = history.valid.size(0), count = history.valid.size(1);
  history.valid.data<bool>()[n * count + k] = true;
  if (!options.identity_warp) write_warp(history, n, k, ground_warp(now, then));
  Tensor& features = history.prev_feat_list[static_cast<size_t>(k)];
  if (!features.defined()) {
    layout.format = MemoryFormat::ChannelsLast;
    features = zeros({samples, feature[0], feature[1], feature[2]}, layout);
  }
  return ops::select(features, 0, n);
}

}  // namespace bevgrad
