// Flicker: how often a cell that did not change in the world changes its predicted class between frames.
#pragma once
#include <array>
#include <cstdint>
#include <list>
#include <string>
#include <vector>

#include "data/label_schema.h"
#include "evaluation/raster.h"
#include "evaluation/ratio.h"
#include "geometry/pose.h"
#include "internal/strata.h"

namespace bevgrad {

struct FlickerCounts {
  int64_t compared = 0;         ///< cells whose place was labelled the same in both frames
  int64_t changed = 0;          ///< of these, those whose predicted class differs
  int64_t marked_compared = 0;  ///< the same over places that are labelled with something
  int64_t marked_changed = 0;

  void operator+=(const FlickerCounts& other);
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
/// ground plane). A place counts where both frames label it alike and neither ignores it. Indexed by stratum of `now`.
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
