#include "optim/freezing.h"

#include <algorithm>

#include "base/error.h"
#include "base/near_names.h"
#include "base/text.h"
#include "formats/convert/name_map.h"

namespace bevgrad {

FreezeSchedule::FreezeSchedule(Module& root, const std::vector<std::pair<std::string, int64_t>>& entries,
                               const std::vector<std::string>& switched_off)
    : root_(root) {
  std::vector<std::string> paths;
  root.visit([&](const std::string& path, Module&) {
    if (!path.empty()) paths.push_back(path);
  });
  for (const auto& [pattern, steps] : entries) {
    Entry entry;
    entry.steps = steps;
    for (const std::string& path : paths) {
      if (!matches_wildcard(path, pattern)) continue;
      // What lies below a module that matches is frozen with it.
      const bool is_below = !entry.modules.empty() && path.starts_with(entry.modules.back() + ".");
      if (!is_below) entry.modules.push_back(path);
    }
    const bool is_off =
        std::any_of(switched_off.begin(), switched_off.end(),
                    [&pattern = pattern](const std::string& name) { return matches_wildcard(name, pattern); });
    if (entry.modules.empty() && !is_off)
      throw UsageError(
          fmt::format("freeze_module_schedules: no module matches \"{}\"{}", pattern, did_you_mean(pattern, paths)));
    entries_.push_back(std::move(entry));
  }
}

bool FreezeSchedule::apply(int64_t step) {
  std::vector<bool> active;
  for (const Entry& entry : entries_) active.push_back(step < entry.steps);
  active.push_back(true);  // unlike before the first call, also where there is no entry
  if (active == active_) return false;
  active_ = active;
  root_.set_frozen(false);
  for (size_t i = 0; i < entries_.size(); ++i) {
    if (!active[i]) continue;
    for (const std::string& path : entries_[i].modules) root_.find(path)->set_frozen(true);
  }
  return true;
}

std::vector<std::string> FreezeSchedule::frozen_modules() const {
  std::vector<std::string> frozen;
  for (size_t i = 0; i < entries_.size(); ++i) {
    if (i < active_.size() && active_[i])
      frozen.insert(frozen.end(), entries_[i].modules.begin(), entries_[i].modules.end());
  }
  std::sort(frozen.begin(), frozen.end());
  frozen.erase(std::unique(frozen.begin(), frozen.end()), frozen.end());
  return frozen;
}

NamedTensors trainable_parameters(Module& root) {
  NamedTensors trainable;
  for (const auto& [name, tensor] : root.named_parameters()) {
    if (requires_grad(tensor)) trainable.emplace_back(name, tensor);
  }
  return trainable;
}

}  // namespace bevgrad
