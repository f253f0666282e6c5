#include "tasks/losses.h"

#include "autograd/functions.h"

namespace bevgrad {
namespace {

/// `sum` + `term` * `weight`; an undefined sum is 0.
Tensor plus(const Tensor& sum, const Tensor& term, double weight) {
  const Tensor weighted = mul(term, weight);
  return sum.defined() ? add(sum, weighted) : weighted;
}

}  // namespace

Losses compute_losses(const NetworkOutput& output, const Batch& batch, std::span<const ActiveTask> tasks) {
  Losses losses;
  std::vector<Tensor> values;  // read at once: on a GPU every reading waits for all that came before it
  for (const ActiveTask& active : tasks) {
    Tensor sum;
    for (const LossTerm& term : active.task->losses(output, batch)) {
      losses.terms.emplace_back(active.name + "/" + term.name, 0);
      values.push_back(detach(term.value));
      if (term.weight != 0) sum = plus(sum, term.value, term.weight);
    }
    if (sum.defined()) losses.total = plus(losses.total, sum, active.task->weight());
  }
  check(losses.total.defined(), "loss: nothing to learn, every weight is 0 or no task is on");
  values.push_back(detach(losses.total));
  const std::vector<double> numbers = ops::stack(values, 0).to_vector();
  for (size_t i = 0; i < losses.terms.size(); ++i) losses.terms[i].second = numbers[i];
  losses.value = numbers.back();
  return losses;
}

}  // namespace bevgrad
