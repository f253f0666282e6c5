// Which modules are frozen at which step.
#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "nn/module.h"

namespace bevgrad {

/// freeze_module_schedules: a module, or a pattern, and the number of steps for which it is frozen. Frozen = no
/// gradients, no optimizer state, no weight decay, normalisation on its running statistics.
class FreezeSchedule {
 public:
  /// Looks every name up among the modules below `root` (which must outlive this). `switched_off` are modules that the
  /// config builds in other runs: a name among them may match nothing. Throws UsageError for any other name without a
  /// module, listing the near ones.
  FreezeSchedule(Module& root, const std::vector<std::pair<std::string, int64_t>>& entries,
                 const std::vector<std::string>& switched_off = {});

  /// Freezes and thaws for step `step` (from 0): an entry freezes while step < its steps. Returns whether anything
  /// changed since the last call (the first call counts as a change).
  bool apply(int64_t step);
  /// Paths of the modules that are frozen now, outermost only.
  std::vector<std::string> frozen_modules() const;

 private:
  struct Entry {
    std::vector<std::string> modules;
    int64_t steps = 0;
  };

  Module& root_;
  std::vector<Entry> entries_;
  std::vector<bool> active_;
};

/// Parameters below `root` that are not frozen, by name.
NamedTensors trainable_parameters(Module& root);

}  // namespace bevgrad
