#include "models/history_feature_manager.h"

#include <cmath>

#include "autograd/autograd.h"
#include "tensor/ops.h"

namespace bevgrad {
namespace {

/// Differences of timestamps are judged to a microsecond: 10.0 - 9.3 must match an interval of 0.7.
constexpr double kTimeResolution = 1e-6;

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
  if (max_capacity < 1)
    throw UsageError(fmt::format("history: max_capacity {} is impossible, expected 1 or more", max_capacity));
  if (storage != DType::Float32 && storage != DType::BFloat16)
    throw UsageError(fmt::format("history: storage {} is not supported, expected float32 or bfloat16", name(storage)));
}

HistoryFeatureManager::HistoryFeatureManager(HistoryOptions options, int64_t slots) : options_(std::move(options)) {
  options_.validate();
  check(slots > 0, "history: {} slots, expected at least one", slots);
  slots_.resize(static_cast<size_t>(slots));
}

void HistoryFeatureManager::check_moments(const char* call, const std::vector<FrameMoment>& moments) const {
  check(moments.size() == slots_.size(), "history {}: {} frames for {} slots", call, moments.size(), slots_.size());
  for (const FrameMoment& moment : moments) {
    check(std::isfinite(moment.timestamp), "history {}: the timestamp of a frame of sequence {} is not a number", call,
          moment.sequence);
    for (const double entry : moment.ego_pose.m)
      check(std::isfinite(entry), "history {}: the pose of sequence {} at {} s is not finite", call, moment.sequence,
            moment.timestamp);
  }
}

void HistoryFeatureManager::begin(Queue& queue, const FrameMoment& moment) const {
  if (queue.empty()) return;
  const FrameMoment& newest = queue.back().moment;
  if (newest.sequence != moment.sequence || moment.timestamp < newest.timestamp) queue.clear();
}

const HistoryFeatureManager::StoredFrame* HistoryFeatureManager::find(const Queue& queue, double timestamp,
                                                                      double interval) const {
  const StoredFrame* best = nullptr;
  double closest = options_.match_tol + kTimeResolution;
  for (const StoredFrame& frame : queue) {  // oldest first, so that of two as close the newer wins
    if (frame.moment.timestamp >= timestamp) continue;
    const double distance = std::abs(timestamp - interval - frame.moment.timestamp);
    if (distance <= closest + (best ? kTimeResolution : 0)) {
      best = &frame;
      closest = std::min(closest, distance);
    }
  }
  return best;
}

std::vector<double> HistoryFeatureManager::draw_intervals(Generator* generator) const {
  std::vector<double> intervals = options_.intervals;
  if (!options_.interval_variable || generator == nullptr) return intervals;
  for (size_t i = 0; i < intervals.size(); ++i) {
    const double nominal = options_.intervals[i];
    const double low = ((i ? options_.intervals[i - 1] : 0.0) + nominal) / 2;
    const double high = i + 1 < intervals.size() ? (nominal + options_.intervals[i + 1]) / 2 : nominal;
    intervals[i] = low + (high - low) * generator->next_uniform();
  }
  return intervals;
}

History HistoryFeatureManager::sample(const std::vector<FrameMoment>& moments, Generator* generator) {
  check_moments("sample", moments);
  const int64_t slots = this->slots();
  const auto count = static_cast<int64_t>(options_.intervals.size());
  History history;
  history.prev_feat_list.resize(options_.intervals.size());
  history.feature_warp_matrix = zeros({slots, count, 2, 3}, {.dtype = DType::Float64});
  history.valid = zeros({slots, count}, {.dtype = DType::Bool});
  double* warp = history.feature_warp_matrix.data<double>();
  bool* valid = history.valid.data<bool>();
  for (int64_t n = 0; n < slots; ++n) {
    const FrameMoment& now = moments[static_cast<size_t>(n)];
    Queue& queue = slots_[static_cast<size_t>(n)];
    begin(queue, now);
    const std::vector<double> intervals = draw_intervals(generator);
    std::vector<const StoredFrame*> matches;
    for (const double interval : intervals) matches.push_back(find(queue, now.timestamp, interval));
    for (int64_t k = 0; k < count; ++k) {
      const StoredFrame* frame = matches[static_cast<size_t>(k)];
      GroundWarp matrix;
      if (frame != nullptr) {
        valid[n * count + k] = true;
        const StoredFrame* posed = frame;
        if (options_.shuffle_poses) {
          // The next match's pose, or where this is the only one the far end's of the queue.
          for (int64_t step = 1; step < count && posed == frame; ++step) {
            if (const StoredFrame* other = matches[static_cast<size_t>((k + step) % count)]) posed = other;
          }
          if (posed == frame) posed = frame == &queue.front() ? &queue.back() : &queue.front();
        }
        if (!options_.identity_warp) matrix = ground_warp(now.ego_pose, posed->moment.ego_pose);
        Tensor& features = history.prev_feat_list[static_cast<size_t>(k)];
        if (!features.defined()) {
          const Tensor& feature = frame->feature;
          features = zeros({slots, feature.size(0), feature.size(1), feature.size(2)},
                           {.dtype = options_.storage, .format = MemoryFormat::ChannelsLast});
        }
        ops::copy_(ops::select(features, 0, n), frame->feature);
      }
      std::copy(matrix.m.begin(), matrix.m.end(), warp + (n * count + k) * 6);
    }
  }
  return history;
}

void HistoryFeatureManager::push(const Tensor& bev_fused, const std::vector<FrameMoment>& moments) {
  check_moments("push", moments);
  check(bev_fused.dim() == 4 && bev_fused.size(0) == slots(), "history push: {}, expected [{},C,H,W]",
        describe(bev_fused), slots());
  const double longest = options_.intervals.back() + options_.match_tol + kTimeResolution;
  for (int64_t n = 0; n < slots(); ++n) {
    const FrameMoment& now = moments[static_cast<size_t>(n)];
    Queue& queue = slots_[static_cast<size_t>(n)];
    begin(queue, now);
    // What is too old for the frame after this one can match no more.
    while (!queue.empty() && (now.timestamp - queue.front().moment.timestamp > longest ||
                              static_cast<int64_t>(queue.size()) >= options_.max_capacity))
      queue.pop_front();
    const Tensor feature = ops::select(bev_fused, 0, n);
    Tensor copy = empty({1, feature.size(0), feature.size(1), feature.size(2)},
                        {.dtype = options_.storage, .format = MemoryFormat::ChannelsLast});
    copy = ops::select(copy, 0, 0);
    ops::copy_(copy, feature);
    queue.push_back({now, copy});
  }
}

void HistoryFeatureManager::reset() {
  for (Queue& queue : slots_) queue.clear();
}

void HistoryFeatureManager::reset(int64_t slot) {
  slots_.at(static_cast<size_t>(slot)).clear();
}

void HistoryFeatureManager::shrink(int64_t slots) {
  check(slots > 0 && slots <= this->slots(), "history: cannot shrink {} slots to {}", this->slots(), slots);
  slots_.resize(static_cast<size_t>(slots));
}

int64_t HistoryFeatureManager::size(int64_t slot) const {
  return static_cast<int64_t>(slots_.at(static_cast<size_t>(slot)).size());
}

size_t HistoryFeatureManager::bytes() const {
  size_t bytes = 0;
  for (const Queue& queue : slots_) {
    for (const StoredFrame& frame : queue) bytes += frame.feature.nbytes();
  }
  return bytes;
}

}  // namespace bevgrad
