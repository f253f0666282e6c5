// Which part of the history that temporal fusion asks for the timestamps of a dataset can give.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace bevgrad {

/// Temporal fusion's rule for what it takes from the past.
struct HistoryRule {
  std::vector<double> intervals = {};  ///< seconds
  double match_tol = 0.1;
  int64_t max_capacity = 40;  ///< frames that are kept
  /// Runs of so many frames are played apart; 0: whole streams.
  int64_t chunk_frames = 0;
};

struct HistoryReach {
  std::string set;
  int64_t frames = 0;
  double period = 0;           ///< median time between the set's neighbouring frames
  std::vector<int64_t> found;  ///< an interval: frames with a match
};

/// One a list group.
std::vector<HistoryReach> history_reach(const Dataset& dataset, const HistoryRule& rule);

/// "val: history of 0.7 s found for 0 of 36 frames, 1.9 s for 32, 3.3 s for 0 (frames are 0.50 s apart)"
std::string to_text(const HistoryReach& reach, const HistoryRule& rule);

/// The intervals' nearest multiples of `period`, each longer than the one before.
std::vector<double> reachable_intervals(const HistoryRule& rule, double period);

}  // namespace bevgrad
