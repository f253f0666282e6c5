#include "tasks/losses.h"

#include "autograd/branches.h"
#include "autograd/functions.h"
#include "internal/weighted_total.h"
#include "tensor/read_scalars.h"

namespace bevgrad {
namespace {

/// `sum` + `term` * `weight`; an undefined sum is 0.
Tensor plus(const Tensor& sum, const Tensor& term, double weight) {
  const Tensor weighted = mul(term, weight);
  return sum.defined() ? add(sum, weighted) : weighted;
}

}  // namespace

QueuedLosses queue_losses(const NetworkOutput& output, const Batch& batch, std::span<const ActiveTask> tasks) {
  QueuedLosses queued;
  const DeferredLabelChecks labels;
  std::vector<std::pair<double, std::vector<LossTerm>>> of_tasks(tasks.size());
  std::vector<std::function<void()>> branches;
  for (size_t i = 0; i < tasks.size(); ++i)
    branches.push_back([&, i] { of_tasks[i] = {tasks[i].task->weight(), tasks[i].task->losses(output, batch)}; });
  run_branches(branches);
  std::vector<Tensor> learned;
  std::vector<double> weights;
  for (size_t i = 0; i < tasks.size(); ++i) {
    const double weight = of_tasks[i].first;
    for (const LossTerm& term : of_tasks[i].second) {
      queued.names.push_back(tasks[i].name + "/" + term.name);
      queued.numbers.push_back(detach(term.value));
      if (term.weight == 0) continue;
      learned.push_back(term.value);
      weights.push_back(weight * term.weight);
    }
  }
  queued.total = weighted_total_on_device(learned, weights);
  if (!queued.total.defined()) {
    for (const auto& [weight, terms] : of_tasks) {
      Tensor sum;
      for (const LossTerm& term : terms)
        if (term.weight != 0) sum = plus(sum, term.value, term.weight);
      if (sum.defined()) queued.total = plus(queued.total, sum, weight);
    }
  }
  check(queued.total.defined(), "loss: nothing to learn, every weight is 0 or no task is on");
  queued.numbers.push_back(detach(queued.total));
  queued.labels = labels.entries();
  for (const DeferredLabelChecks::Entry& entry : queued.labels) queued.numbers.push_back(entry.count);
  return queued;
}

Losses QueuedLosses::read(std::span<const double> values) const {
  Losses losses;
  losses.total = total;
  for (size_t i = 0; i < names.size(); ++i) losses.terms.emplace_back(names[i], values[i]);
  losses.value = values[names.size()];
  for (size_t i = 0; i < labels.size(); ++i) DeferredLabelChecks::check(labels[i], values[names.size() + 1 + i]);
  return losses;
}

Losses compute_losses(const NetworkOutput& output, const Batch& batch, std::span<const ActiveTask> tasks) {
  const QueuedLosses queued = queue_losses(output, batch, tasks);
  return queued.read(read_scalars(queued.numbers));
}

}  // namespace bevgrad
