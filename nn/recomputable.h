// Stretches of a forward function that may run again in the backward pass instead of being kept for it.
#pragma once
#include <functional>
#include <vector>

#include "nn/module.h"

namespace bevgrad {

/// body(inputs), computed again in the backward pass where the scope's RecomputePlan says so of `owner`: the same bits,
/// and of what lies within only the inputs are kept. Besides them `body` may use what lives as long as the owner, and
/// parameters of the modules `uses` (of the owner alone where none is named) alone. It is called within the owner's
/// module_call, or for a stretch that is no module of its own with one of its modules for an owner.
Tensor recomputable(const Module& owner, const std::vector<Tensor>& inputs,
                    const std::function<Tensor(const std::vector<Tensor>&)>& body,
                    const std::vector<const Module*>& uses = {});

/// Sees the stretches that are recomputed.
class RecomputeWatch {
 public:
  virtual ~RecomputeWatch() = default;
  virtual void first_run(const Module& owner) = 0;
  virtual void second_run(const Module& owner) = 0;
  virtual void second_run_ended(const Module& owner, const Tensor& output) = 0;
};

struct RecomputePlan {
  std::function<bool(const Module& owner)> recomputes;
  RecomputeWatch* watch = nullptr;
};

/// Sets this thread's plan for a scope, forward and backward of one step; null: the plan stays as it is. It must
/// outlive the scope.
class RecomputeGuard {
 public:
  explicit RecomputeGuard(const RecomputePlan* plan);
  ~RecomputeGuard();
  RecomputeGuard(const RecomputeGuard&) = delete;
  RecomputeGuard& operator=(const RecomputeGuard&) = delete;

 private:
  const RecomputePlan* previous_;
};

}  // namespace bevgrad
