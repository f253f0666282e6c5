// The best validation so far and how long ago it was: decides the best checkpoint and early stopping.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace bevgrad {

struct MetricWatchOptions {
  std::string metric;  ///< a headline number of the evaluation; empty: nothing is watched
  bool lower_is_better = false;
  int64_t patience = 0;  ///< validations in a row without a better one after which it gives up; 0: never
  int kept = 0;          ///< how many of the best validations it remembers
};

class MetricWatch {
 public:
  /// `names`: the numbers that a validation can give. Throws UsageError for another metric, naming the near ones, and
  /// for patience without a metric.
  MetricWatch(MetricWatchOptions options, const std::vector<std::string>& names);

  /// Takes the numbers of the validation after `step`; whether they are the best so far (the earlier of two that are
  /// equal). A metric that is missing (n/a) or not finite is not better than anything.
  bool update(int64_t step, const std::map<std::string, double>& headline);

  /// Whether patience is used up.
  bool should_stop() const { return options_.patience > 0 && since_best_ >= options_.patience; }
  /// The step after which update() was called last, or -1.
  int64_t last_step() const { return last_step_; }
  std::optional<double> best() const { return best_; }
  int64_t best_step() const { return best_step_; }
  int64_t since_best() const { return since_best_; }
  const MetricWatchOptions& options() const { return options_; }
  /// The steps of the best validations, `kept` at most.
  std::set<int64_t> best_steps() const;
  /// The best weights could not be saved: what counts as the best is again what is on the disk, that of `before`.
  void forget_best(const MetricWatch& before);

  /// What a resumed run needs. Numbers of another metric are forgotten.
  std::map<std::string, double> state() const;
  void restore(const std::map<std::string, double>& state);

 private:
  MetricWatchOptions options_;
  std::optional<double> best_;
  int64_t best_step_ = -1, last_step_ = -1, since_best_ = 0;
  std::vector<std::pair<double, int64_t>> ranking_;  // value and step, the best first
};

}  // namespace bevgrad
