// From frame to frame: how often a cell that did not change in the world changes its predicted class (flicker), and how
// much of a prediction is still there in the next frame (consistency).
#pragma once
#include <array>
#include <cstdint>
#include <list>
#include <string>
#include <vector>

#include "data/label_schema.h"
#include "evaluation/raster.h"
#include "evaluation/ratio.h"
#include "evaluation/strata.h"
#include "geometry/pose.h"

namespace bevgrad {

struct FlickerCounts {
  int64_t compared = 0;         ///< cells whose place was labelled the same in both frames
  int64_t changed = 0;          ///< of these, those whose predicted class differs
  int64_t marked_compared = 0;  ///< the same over places that are labelled with something
  int64_t marked_changed = 0;
  int64_t both = 0, either = 0;              ///< cells predicted as anything in both frames, in at least one
  int64_t label_both = 0, label_either = 0;  ///< the same of the labels

  void operator+=(const FlickerCounts& other);
  /// IoU of the prediction with the one before, moved to where the vehicle is now.
  Ratio consistency() const { return ratio(static_cast<double>(both), static_cast<double>(either)); }
  /// The same of the labels: what moving by whole cells leaves of a prediction that is always right.
  Ratio label_consistency() const { return ratio(static_cast<double>(label_both), static_cast<double>(label_either)); }
  Ratio rate() const { return ratio(static_cast<double>(changed), static_cast<double>(compared)); }
  Ratio marked_rate() const { return ratio(static_cast<double>(marked_changed), static_cast<double>(marked_compared)); }
};

/// A frame reduced to what flicker looks at.
struct FlickerFrame {
  double timestamp = 0;
  Pose ego_pose;
  std::vector<uint8_t> predicted;  ///< per cell: 0 nothing, else 1 + the most likely class that reaches 0.5
  std::vector<uint32_t> labels;    ///< per cell: bit c: class c is there; all bits: ignored
};
FlickerFrame flicker_frame(const ProbabilityRaster& probabilities, const LabelRaster& labels, double timestamp,
                           const Pose& ego_pose);

/// Compares each cell of `now` with the cell of `before` in which its place lay (nearest cell through the poses, on the
/// ground plane), where neither ignores it. For flicker a place counts where both frames label it alike. Indexed by
/// stratum of `now`.
std::array<FlickerCounts, kNumStrata> compare_frames(const FlickerFrame& before, const FlickerFrame& now,
                                                     const std::vector<Stratum>& strata, const LabelGrid& grid);

/// Over streams: remembers the last frame of up to 16 sequences. Frames over `max_gap` seconds apart, or going back in
/// time, are not compared.
class FlickerAccumulator {
 public:
  explicit FlickerAccumulator(LabelGrid grid, double max_gap = 1.0) : grid_(grid), max_gap_(max_gap) {}

  void add(const std::string& sequence, FlickerFrame frame, const std::vector<Stratum>& strata);
  const std::array<FlickerCounts, kNumStrata>& counts() const { return counts_; }
  void merge(const std::array<FlickerCounts, kNumStrata>& counts);

 private:
  LabelGrid grid_;
  double max_gap_;
  std::list<std::pair<std::string, FlickerFrame>> last_;  ///< the most recent first
  std::array<FlickerCounts, kNumStrata> counts_;
};

}  // namespace bevgrad
