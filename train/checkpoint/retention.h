// Which checkpoints of a run are kept.
#pragma once
#include <cstdint>
#include <set>
#include <vector>

namespace bevgrad {

struct RetentionRule {
  /// The newest so many stay.
  int keep = 2;
  /// Of those, none older than so many hours. 0: age does not count.
  double max_age_hours = 0;
  /// Steps whose checkpoints stay whatever their number and age: the best by a metric.
  std::set<int64_t> best_steps = {};
};

struct StoredCheckpoint {
  int64_t step = 0;
  double age_hours = 0;
};

/// Steps of those that can go. The newest never does.
std::vector<int64_t> disposable_checkpoints(std::vector<StoredCheckpoint> stored, const RetentionRule& rule);

}  // namespace bevgrad
