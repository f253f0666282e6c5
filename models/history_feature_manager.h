// The past of every batch slot: fused BEV features with when and where they were seen, and the ones among them that
// temporal fusion wants for the current frame.
#pragma once
#include <cstdint>
#include <deque>
#include <vector>

#include "geometry/pose.h"
#include "models/history_selection.h"

namespace bevgrad {

/// When and where a frame was taken.
struct FrameMoment {
  int64_t sequence = 0;
  double timestamp = 0;  ///< seconds
  Pose ego_pose;         ///< ego -> world
};

/// Modes `sample_by_timestamp` and `sample_by_distance`. A call of `sample` and then one of `push` per frame and slot;
/// a frame of a new sequence, or whose timestamp goes back, finds the slot empty. Only the past of the same sequence is
/// ever given. Frames that can match no more, and those beyond max_capacity, are let go.
class HistoryFeatureManager {
 public:
  explicit HistoryFeatureManager(HistoryOptions options, int64_t slots = 1);

  /// The history of the current frames, one a slot. Per interval the stored frame closest to t - interval (or the
  /// distance driven since) within match_tol (of two that are as close, the newer); none: not valid. prev_feat_list
  /// holds `intervals` tensors [N,C,H,W] in the storage's dtype, zero where not valid, undefined where valid for no
  /// slot. `generator` draws variable intervals; without it they are the nominal ones. Throws for a timestamp or pose
  /// that is not finite.
  History sample(const std::vector<FrameMoment>& moments, Generator* generator = nullptr);

  /// Keeps (a copy of) the current frames' fused features [N,C,H,W], outside the tape, on the device that they are on.
  void push(const Tensor& bev_fused, const std::vector<FrameMoment>& moments);

  /// Forgets everything, or one slot.
  void reset();
  void reset(int64_t slot);
  /// Keeps the first `slots` slots: side-by-side streams that end leave from the batch's end.
  void shrink(int64_t slots);

  const HistoryOptions& options() const { return options_; }
  int64_t slots() const { return static_cast<int64_t>(slots_.size()); }
  /// Frames that a slot holds.
  int64_t size(int64_t slot) const;
  /// Bytes of all stored features.
  size_t bytes() const;

 private:
  struct StoredFrame {
    FrameMoment moment;
    double mark;     // see HistoryScale
    Tensor feature;  // [C,H,W]
  };
  struct Queue {
    std::deque<StoredFrame> frames;
    HistoryScale scale;
    std::optional<FrameMoment> newest;  // kept or not
  };

  static std::vector<double> marks(const Queue& queue);
  void begin(Queue& queue, const FrameMoment& moment) const;
  void check_moments(const char* call, const std::vector<FrameMoment>& moments) const;

  HistoryOptions options_;
  std::vector<Queue> slots_;
};

}  // namespace bevgrad
