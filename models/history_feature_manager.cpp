#include "models/history_feature_manager.h"

#include <cmath>

#include "autograd/autograd.h"
#include "tensor/ops.h"

namespace bevgrad {

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

std::vector<double> HistoryFeatureManager::marks(const Queue& queue) {
  std::vector<double> marks;
  for (const StoredFrame& frame : queue.frames) marks.push_back(frame.mark);
  return marks;
}

void HistoryFeatureManager::begin(Queue& queue, const FrameMoment& moment) const {
  if (!queue.newest) return;
  if (queue.newest->sequence != moment.sequence || moment.timestamp < queue.newest->timestamp) queue = {};
}

History HistoryFeatureManager::sample(const std::vector<FrameMoment>& moments, Generator* generator) {
  check_moments("sample", moments);
  History history = blank_history(slots(), options_);
  for (int64_t n = 0; n < slots(); ++n) {
    const FrameMoment& now = moments[static_cast<size_t>(n)];
    Queue& queue = slots_[static_cast<size_t>(n)];
    begin(queue, now);
    const std::vector<double> past = marks(queue);
    const std::vector<HistoryMatch> matches = match_history(
        past, queue.scale.mark(now.timestamp, now.ego_pose, options_), draw_intervals(options_, generator), options_);
    for (size_t k = 0; k < matches.size(); ++k) {
      if (matches[k].frame < 0) continue;
      const Tensor& feature = queue.frames[static_cast<size_t>(matches[k].frame)].feature;
      const Pose& then = queue.frames[static_cast<size_t>(matches[k].posed)].moment.ego_pose;
      ops::copy_(place_history(history, n, static_cast<int64_t>(k), now.ego_pose, then, feature.sizes(),
                               {.dtype = options_.storage, .device = feature.device()}, options_),
                 feature);
    }
  }
  return history;
}

void HistoryFeatureManager::push(const Tensor& bev_fused, const std::vector<FrameMoment>& moments) {
  check_moments("push", moments);
  check(bev_fused.dim() == 4 && bev_fused.size(0) == slots(), "history push: {}, expected [{},C,H,W]",
        describe(bev_fused), slots());
  for (int64_t n = 0; n < slots(); ++n) {
    const FrameMoment& now = moments[static_cast<size_t>(n)];
    Queue& queue = slots_[static_cast<size_t>(n)];
    begin(queue, now);
    queue.newest = now;
    const std::optional<double> mark = queue.scale.add(now.timestamp, now.ego_pose, options_);
    if (!mark) continue;
    const Tensor feature = ops::select(detach(bev_fused), 0, n);
    Tensor copy =
        empty({1, feature.size(0), feature.size(1), feature.size(2)},
              {.dtype = options_.storage, .format = MemoryFormat::ChannelsLast, .device = bev_fused.device()});
    copy = ops::select(copy, 0, 0);
    ops::copy_(copy, feature);
    queue.frames.push_back({now, *mark, copy});
    const int64_t too_old = frames_let_go(marks(queue), options_);
    queue.frames.erase(queue.frames.begin(), queue.frames.begin() + too_old);
  }
}

void HistoryFeatureManager::reset() {
  for (Queue& queue : slots_) queue = {};
}

void HistoryFeatureManager::reset(int64_t slot) {
  slots_.at(static_cast<size_t>(slot)) = {};
}

void HistoryFeatureManager::shrink(int64_t slots) {
  check(slots > 0 && slots <= this->slots(), "history: cannot shrink {} slots to {}", this->slots(), slots);
  slots_.resize(static_cast<size_t>(slots));
}

int64_t HistoryFeatureManager::size(int64_t slot) const {
  return static_cast<int64_t>(slots_.at(static_cast<size_t>(slot)).frames.size());
}

size_t HistoryFeatureManager::bytes() const {
  size_t bytes = 0;
  for (const Queue& queue : slots_) {
    for (const StoredFrame& frame : queue.frames) bytes += frame.feature.nbytes();
  }
  return bytes;
}

}  // namespace bevgrad
