#include "nn/recomputable.h"

#include "autograd/checkpoint.h"
#include "tensor/thread_scopes.h"

namespace bevgrad {

RecomputeGuard::RecomputeGuard(const RecomputePlan* plan) : previous_(thread_scopes().plan) {
  if (plan) thread_scopes().plan = plan;
}
RecomputeGuard::~RecomputeGuard() {
  thread_scopes().plan = previous_;
}

Tensor recomputable(const Module& owner, const std::vector<Tensor>& inputs,
                    const std::function<Tensor(const std::vector<Tensor>&)>& body,
                    const std::vector<const Module*>& uses) {
  const RecomputePlan* plan = thread_scopes().plan;
  if (!plan || !grad_enabled() || is_recomputing() || !plan->recomputes(owner)) return body(inputs);
  std::vector<Tensor> parameters;
  for (const Module* module : uses.empty() ? std::vector<const Module*>{&owner} : uses)
    for (const auto& [name, parameter] : module->named_parameters())
      if (requires_grad(parameter)) parameters.push_back(parameter);
  const auto run = [body, &owner](const std::vector<Tensor>& in) {
    const RecomputePlan* plan = thread_scopes().plan;
    RecomputeWatch* watch = plan ? plan->watch : nullptr;
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
