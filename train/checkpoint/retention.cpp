#include "train/checkpoint/retention.h"

#include <algorithm>
#include <functional>

namespace bevgrad {

std::vector<int64_t> disposable_checkpoints(std::vector<StoredCheckpoint> stored, const RetentionRule& rule) {
  std::ranges::sort(stored, std::greater(), &StoredCheckpoint::step);
  std::vector<int64_t> disposable;
  for (size_t i = 1; i < stored.size(); ++i) {
    const bool is_old = rule.max_age_hours > 0 && stored[i].age_hours > rule.max_age_hours;
    if ((i >= static_cast<size_t>(rule.keep) || is_old) && !rule.best_steps.contains(stored[i].step))
      disposable.push_back(stored[i].step);
  }
  return disposable;
}

}  // namespace bevgrad
