#include "tasks/task_evaluation.h"

#include <charconv>

#include "base/error.h"

namespace bevgrad {
namespace {

/// Takes a text "<bytes> <...>" off the front of `states`.
std::string next_state(std::string_view& states) {
  size_t bytes = 0;
  const auto [end, error] = std::from_chars(states.data(), states.data() + states.size(), bytes);
  const auto begin = static_cast<size_t>(end - states.data()) + 1;
  check(error == std::errc() && begin <= states.size() && bytes <= states.size() - begin,
        "evaluation state: it ends too early; do all ranks have the same tasks?");
  const std::string state(states.substr(begin, bytes));
  states.remove_prefix(begin + bytes);
  return state;
}

std::vector<std::unique_ptr<TaskMetric>> metrics_of(const TaskList& tasks) {
  std::vector<std::unique_ptr<TaskMetric>> metrics;
  for (const ActiveTask& active : tasks)
    if (std::unique_ptr<TaskMetric> metric = active.task->make_metric()) metrics.push_back(std::move(metric));
  return metrics;
}

}  // namespace

TaskEvaluation::TaskEvaluation(EvaluationOptions options, const TaskList& tasks)
    : evaluator_(std::move(options)), metrics_(metrics_of(tasks)) {}

void TaskEvaluation::add(const JudgedFrame& judged) {
  evaluator_.add(judged.frame);
  for (const auto& metric : metrics_) metric->add(judged);
}

std::string TaskEvaluation::state() const {
  std::string states;
  const auto append = [&](const std::string& state) { states += fmt::format("{} ", state.size()) + state; };
  append(evaluator_.state());
  for (const auto& metric : metrics_) append(metric->state());
  return states;
}

void TaskEvaluation::merge(const std::string& state) {
  std::string_view states = state;
  evaluator_.merge(next_state(states));
  for (const auto& metric : metrics_) metric->merge(next_state(states));
}

EvaluationSummary TaskEvaluation::summary() const {
  EvaluationSummary summary = evaluator_.summary();
  for (const auto& metric : metrics_) {
    for (Table& table : metric->tables()) summary.tables.push_back(std::move(table));
    summary.headline.figures.merge(metric->headline());
  }
  return summary;
}

std::vector<std::string> headline_names(const TaskList& tasks) {
  std::vector<std::string> names = headline_names();
  for (const auto& metric : metrics_of(tasks)) {
    const std::vector<std::string> more = metric->headline_names();
    names.insert(names.end(), more.begin(), more.end());
  }
  return names;
}

}  // namespace bevgrad
