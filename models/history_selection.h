// Which past frames temporal fusion takes: the rule, apart from where the frames' features are kept.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "geometry/pose.h"
#include "models/network_io.h"
#include "tensor/random.h"

namespace bevgrad {

struct HistoryOptions {
  /// Seconds before the current frame, rising.
  std::vector<double> intervals = {0.7, 1.9, 3.3};
  /// A stored frame matches an interval within this, in seconds.
  double match_tol = 0.1;
  /// Draw each interval from between the midpoints to its neighbours (0 before the first, itself after the last).
  bool interval_variable = false;
  int64_t max_capacity = 40;       ///< frames kept of a sequence
  DType storage = DType::Float32;  ///< or BFloat16
  /// Controls of an experiment: history taken as if the vehicle had not moved; poses of history frames exchanged.
  bool identity_warp = false;
  bool shuffle_poses = false;

  /// Throws UsageError naming the first impossible value.
  void validate() const;
};

/// The intervals of one sample: the nominal ones, or drawn where the options say so and there is a generator.
std::vector<double> draw_intervals(const HistoryOptions& options, Generator* generator);

/// How many of the oldest frames a queue that was given `timestamps` (oldest first) has let go of: those too old for
/// any frame after the newest, and those beyond max_capacity.
int64_t frames_let_go(std::span<const double> timestamps, const HistoryOptions& options);

/// What one interval of one sample takes: indices into the past, -1 for none. `posed` is the frame whose pose goes with
/// the feature: `frame` itself but under shuffle_poses.
struct HistoryMatch {
  int64_t frame = -1;
  int64_t posed = -1;
};

/// Per interval the frame of `past` (timestamps, oldest first) that is closest to now - interval within match_tol; of
/// two that are as close, the newer.
std::vector<HistoryMatch> match_history(std::span<const double> past, double now, const std::vector<double>& intervals,
                                        const HistoryOptions& options);

/// A history of `samples` in which nothing is valid yet.
History blank_history(int64_t samples, const HistoryOptions& options);
/// Marks interval k of sample n as taken from a frame whose pose is `then`, and returns the place [C,H,W] of its
/// feature in prev_feat_list, which begins as zeros [samples,C,H,W], channels-last, of the dtype and where `layout`
/// says.
Tensor place_history(History& history, int64_t n, int64_t k, const Pose& now, const Pose& then, const Shape& feature,
                     TensorOptions layout, const HistoryOptions& options);

}  // namespace bevgrad
