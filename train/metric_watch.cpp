#include "train/metric_watch.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string_view>

#include "base/error.h"
#include "base/near_names.h"

namespace bevgrad {
namespace {

constexpr std::string_view kRanked = "best of step ";

}  // namespace

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
  if (is_number && options_.kept > 0) {
    // Behind those that are as good: the earlier of two stays.
    const auto place = std::find_if(ranking_.begin(), ranking_.end(), [&](const auto& other) {
      return options_.lower_is_better ? found->second < other.first : found->second > other.first;
    });
    ranking_.emplace(place, found->second, step);
    if (std::ssize(ranking_) > options_.kept) ranking_.pop_back();
  }
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

std::set<int64_t> MetricWatch::best_steps() const {
  std::set<int64_t> steps;
  for (const auto& [value, step] : ranking_) steps.insert(step);
  return steps;
}

void MetricWatch::forget_best(const MetricWatch& before) {
  best_ = before.best_;
  best_step_ = before.best_step_;
}

std::map<std::string, double> MetricWatch::state() const {
  std::map<std::string, double> state = {{"last_step", static_cast<double>(last_step_)}};
  if (options_.metric.empty()) return state;
  state["since_best"] = static_cast<double>(since_best_);
  if (best_) {
    state[options_.metric] = *best_;
    state["best_step"] = static_cast<double>(best_step_);
  }
  for (const auto& [value, step] : ranking_) state[fmt::format("{}{}", kRanked, step)] = value;
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
  ranking_.clear();
  if (options_.metric.empty()) return;
  if (const auto found = state.find(options_.metric); found != state.end()) {
    best_ = found->second;
    best_step_ = static_cast<int64_t>(number("best_step", -1));
  }
  // A state without a value of this metric belongs to another metric, unless it has no value at all.
  if (!best_ && state.contains("best_step")) return;
  since_best_ = static_cast<int64_t>(number("since_best", 0));
  for (const auto& [name, value] : state)
    if (int64_t step = -1;
        name.starts_with(kRanked) &&
        std::from_chars(name.data() + kRanked.size(), name.data() + name.size(), step).ec == std::errc())
      ranking_.emplace_back(value, step);
  std::ranges::sort(ranking_, [&](const auto& a, const auto& b) {
    if (a.first != b.first) return options_.lower_is_better ? a.first < b.first : a.first > b.first;
    return a.second < b.second;
  });
  if (std::ssize(ranking_) > options_.kept) ranking_.resize(static_cast<size_t>(options_.kept));
}

}  // namespace bevgrad
