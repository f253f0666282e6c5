#include "autograd/checkpoint.h"

#include "autograd/autocast.h"
#include "tensor/thread_scopes.h"

namespace bevgrad {

// What random functions draw in a run of a checkpointed stretch: written down in the first, read in the second.
struct tape::Draws {
  std::vector<uint64_t> values;
  bool is_second = false;
  size_t read = 0;
  Draws* around = nullptr;  // of the run that this one is part of
};

namespace {

using tape::Draws;

class DrawsGuard {
 public:
  explicit DrawsGuard(Draws& now) {
    now.around = thread_scopes().draws;
    thread_scopes().draws = &now;
  }
  ~DrawsGuard() { thread_scopes().draws = thread_scopes().draws->around; }
  DrawsGuard(const DrawsGuard&) = delete;
  DrawsGuard& operator=(const DrawsGuard&) = delete;
};

uint64_t next_draw(Draws* run, const std::function<uint64_t()>& draw) {
  if (!run) return draw();
  if (!run->is_second) {
    run->values.push_back(next_draw(run->around, draw));
    return run->values.back();
  }
  check(run->read < run->values.size(), "checkpoint: the second run draws more random numbers than the first");
  return run->values[run->read++];
}

class RecomputeGuard {
 public:
  RecomputeGuard() : previous_(is_recomputing()) { thread_scopes().recomputing = true; }
  ~RecomputeGuard() { thread_scopes().recomputing = previous_; }
  RecomputeGuard(const RecomputeGuard&) = delete;
  RecomputeGuard& operator=(const RecomputeGuard&) = delete;

 private:
  bool previous_;
};

// Takes the gradients that leaves hold out of the way and puts them back.
class SetAsideGrads {
 public:
  explicit SetAsideGrads(const std::vector<Tensor>& leaves) : leaves_(leaves) {
    for (const Tensor& leaf : leaves) {
      held_.push_back(grad(leaf));
      set_grad(leaf, {});
    }
  }
  ~SetAsideGrads() {
    for (size_t i = 0; i < leaves_.size(); ++i) set_grad(leaves_[i], held_[i]);
  }
  SetAsideGrads(const SetAsideGrads&) = delete;
  SetAsideGrads& operator=(const SetAsideGrads&) = delete;

 private:
  const std::vector<Tensor>& leaves_;
  std::vector<Tensor> held_;
};

}  // namespace

uint64_t replayed_draw(const std::function<uint64_t()>& draw) {
  return next_draw(thread_scopes().draws, draw);
}

bool is_recomputing() {
  return thread_scopes().recomputing;
}

Tensor checkpoint(const std::function<Tensor(const std::vector<Tensor>&)>& f, const std::vector<Tensor>& inputs,
                  const std::vector<Tensor>& parameters) {
  std::vector<Tensor> all = inputs;
  all.insert(all.end(), parameters.begin(), parameters.end());
  if (!will_record(all)) return f(inputs);

  Tensor output;
  Draws drawn;
  {
    NoGradGuard no_grad;
    const DrawsGuard guard(drawn);
    output = f(inputs);
  }
  std::vector<Saved> saved, saved_parameters;
  for (const Tensor& input : inputs) saved.emplace_back(input);
  for (const Tensor& parameter : parameters) saved_parameters.emplace_back(parameter);
  const DType autocast = autocast_dtype();
  auto rule = [f, saved = std::move(saved), saved_parameters = std::move(saved_parameters), parameters, autocast,
               drawn = std::move(drawn.values)](const Tensor& dy, const NeedsGrad& needs) {
    for (const Saved& parameter : saved_parameters) parameter.get();  // throws where one has moved since
    std::vector<Tensor> leaves;
    for (size_t i = 0; i < saved.size(); ++i) {
      leaves.push_back(saved[i].defined() ? detach(saved[i].get()) : Tensor());
      if (needs[i]) set_requires_grad(leaves.back(), true);
    }
    SetAsideGrads aside(parameters);
    {
      GradModeGuard grad_mode(true);
      RecomputeGuard recompute;
      Draws replayed{drawn, true};
      const DrawsGuard draws_guard(replayed);
      AutocastGuard guard(autocast);
      const tape::UserScope user;
      const Tensor again = f(leaves);
      if (requires_grad(again)) backward(again, dy);
    }
    Grads grads;
    auto collect = [&](const Tensor& leaf, bool needed) {
      Tensor gradient = leaf.defined() ? grad(leaf) : Tensor();
      if (needed && !gradient.defined()) gradient = zeros_like(leaf);
      grads.push_back(std::move(gradient));
    };
    for (size_t i = 0; i < leaves.size(); ++i) collect(leaves[i], needs[i]);
    for (size_t i = 0; i < parameters.size(); ++i) collect(parameters[i], needs[leaves.size() + i]);
    return grads;
  };
  return record("checkpoint", detach(output), std::move(all), std::move(rule));
}

}  // namespace bevgrad
