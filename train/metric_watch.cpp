#include "train/metric_watch.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/near_names.h"

namespace bevgrad {

MetricWatch::MetricWatch(MetricWatchOptions options, const std::vector<std::string>& names)
    : options_(std::move(options)) {
  const std::string& metric = options_.metric;
  if (metric.empty()) {
    if (options_.patience > 0)
      throw UsageError("train.early_stop_patience: there is no train.checkpoint_metric to watch");
    return;
  }
  if (std::find(names.begin(), names.end(), metric) != names.end()) return;
  std::string all;
  for (const std::string& name : names) all += (all.empty() ? "" : ", ") + name;
  throw UsageError(fmt::format("train.checkpoint_metric: \"{}\" is no number of a validation{}; there are {}", metric,
                               did_you_mean(metric, names), all));
}

bool MetricWatch::update(int64_t step, const std::map<std::string, double>& headline) {
  last_step_ = step;
  if (options_.metric.empty()) return false;
  const auto found = headline.find(options_.metric);
  const bool is_number = found != headline.end() && std::isfinite(found->second);
  const bool is_better =
      is_number && (!best_ || (options_.lower_is_better ? found->second < *best_ : found->second > *best_));
  if (!is_better) {
    ++since_best_;
    return false;
  }
  best_ = found->second;
  best_step_ = step;
  since_best_ = 0;
  return true;
}

std::map<std::string, double> MetricWatch::state() const {
  std::map<std::string, double> state = {{"last_step", static_cast<double>(last_step_)}};
  if (options_.metric.empty()) return state;
  state["since_best"] = static_cast<double>(since_best_);
  if (best_) {
    state[options_.metric] = *best_;
    state["best_step"] = static_cast<double>(best_step_);
  }
  return state;
}

void MetricWatch::restore(const std::map<std::string, double>& state) {
  const auto number = [&](const std::string& name, double missing) {
    const auto found = state.find(name);
    return found == state.end() ? missing : found->second;
  };
  last_step_ = static_cast<int64_t>(number("last_step", -1));
  best_.reset();
  best_step_ = -1;
  since_best_ = 0;
  if (options_.metric.empty()) return;
  if (const auto found = state.find(options_.metric); found != state.end()) {
    best_ = found->second;
    best_step_ = static_cast<int64_t>(number("best_step", -1));
  }
  // A state without a value of this metric belongs to another metric, unless it has no value at all.
  if (best_ || !state.contains("best_step")) since_best_ = static_cast<int64_t>(number("since_best", 0));
}

}  // namespace bevgrad
