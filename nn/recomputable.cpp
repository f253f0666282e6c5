#include "nn/recomputable.h"

#include "autograd/checkpoint.h"

namespace bevgrad {
namespace {

thread_local const RecomputePlan* current_plan = nullptr;

}  // namespace

RecomputeGuard::RecomputeGuard(const RecomputePlan* plan) : previous_(current_plan) {
  if (plan) current_plan = plan;
}
RecomputeGuard::~RecomputeGuard() {
  current_plan = previous_;
}

Tensor recomputable(const Module& owner, const std::vector<Tensor>& inputs,
                    const std::function<Tensor(const std::vector<Tensor>&)>& body,
                    const std::vector<const Module*>& uses) {
  if (!current_plan || !grad_enabled() || is_recomputing() || !current_plan->recomputes(owner)) return body(inputs);
  std::vector<Tensor> parameters;
  for (const Module* module : uses.empty() ? std::vector<const Module*>{&owner} : uses)
    for (const auto& [name, parameter] : module->named_parameters())
      if (requires_grad(parameter)) parameters.push_back(parameter);
  const auto run = [body, &owner](const std::vector<Tensor>& in) {
    RecomputeWatch* watch = current_plan ? current_plan->watch : nullptr;
    if (!watch) return body(in);
    if (!is_recomputing()) {
      watch->first_run(owner);
      return body(in);
    }
    watch->second_run(owner);
    const Tensor output = body(in);
    watch->second_run_ended(owner, output);
    return output;
  };
  return checkpoint(run, inputs, parameters);
}

}  // namespace bevgrad
