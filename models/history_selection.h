// Which past frames temporal fusion takes: the rule, apart from where the frames' features are kept.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "geometry/pose.h"
#include "models/network_io.h"
#include "tensor/random.h"

namespace bevgrad {

struct HistoryOptions {
  /// Seconds before the current frame, rising; by_distance: metres driven since.
  std::vector<double> intervals = {0.7, 1.9, 3.3};
  /// A stored frame matches an interval within this, in seconds or metres.
  double match_tol = 0.1;
  /// A frame is kept only where the vehicle has driven match_tol since the last one that was, so that a vehicle that
  /// stands forgets nothing.
  bool by_distance = false;
  /// Draw each interval from between the midpoints to its neighbours (0 before the first, itself after the last).
  bool interval_variable = false;
  /// In training, the probability that an interval is taken for one at which there is no frame.
  double drop = 0;
  int64_t max_capacity = 40;       ///< frames kept of a sequence
  DType storage = DType::Float32;  ///< or BFloat16
  /// Controls of an experiment: history taken as if the vehicle had not moved; poses of history frames exchanged.
  bool identity_warp = false;
  bool shuffle_poses = false;

  /// Throws UsageError naming the first impossible value.
  void validate() const;
};

/// The intervals of one sample: the nominal ones, or drawn where the options say so and there is a generator. One that
/// was dropped is infinite.
std::vector<double> draw_intervals(const HistoryOptions& options, Generator* generator);

/// Where a frame lies on the scale that intervals are measured on: its timestamp, or by_distance the metres driven
/// since the first frame, in the order of the frames.
class HistoryScale {
 public:
  /// Of a frame that may be the next.
  double mark(double timestamp, const Pose& ego_pose, const HistoryOptions& options) const;
  /// Takes the next frame; returns its mark, or nothing where it is not kept.
  std::optional<double> add(double timestamp, const Pose& ego_pose, const HistoryOptions& options);

 private:
  std::optional<Vec3> last_;
  double driven_ = 0;
  std::optional<double> kept_;  // mark of the last frame that was kept
};

/// How many of the oldest frames a queue that was given frames with these marks (oldest first) has let go of: those too
/// old for any frame after the newest, and those beyond max_capacity.
int64_t frames_let_go(std::span<const double> marks, const HistoryOptions& options);

/// What one interval of one sample takes: indices into the past, -1 for none. `posed` is the frame whose pose goes with
/// the feature: `frame` itself but under shuffle_poses.
struct HistoryMatch {
  int64_t frame = -1;
  int64_t posed = -1;
};

/// Per interval the frame of `past` (marks, oldest first) that is closest to now - interval within match_tol; of
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
