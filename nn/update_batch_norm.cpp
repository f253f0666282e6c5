#include "nn/update_batch_norm.h"

#include <utility>
#include <vector>

#include "nn/batch_norm.h"

namespace bevgrad {
namespace {

/// Sets modules back to training or evaluation, each as it was.
class TrainingModes {
 public:
  explicit TrainingModes(Module& root) {
    root.visit([&](const std::string&, Module& module) { modes_.emplace_back(&module, module.training()); });
  }
  ~TrainingModes() {
    for (const auto& [module, training] : modes_) module->set_training(training);  // parents first
  }
  TrainingModes(const TrainingModes&) = delete;
  TrainingModes& operator=(const TrainingModes&) = delete;

 private:
  std::vector<std::pair<Module*, bool>> modes_;
};

/// A norm's statistics as sums over batches.
struct Measured {
  BatchNorm* norm;
  Tensor mean, var;
  int64_t batches = 0;
};

}  // namespace

void update_batch_norm(Module& root, const std::function<bool()>& forward) {
  const NoGradGuard no_grad;
  std::vector<Measured> norms;
  root.visit([&](const std::string& path, Module& module) {
    auto* norm = dynamic_cast<BatchNorm*>(&module);
    if (norm == nullptr || norm->frozen()) return;
    check(norm->spec().momentum > 0, "update_batch_norm: {} has momentum 0, so that no batch moves its statistics",
          path);
    norms.push_back({norm, zeros_like(norm->running_mean), zeros_like(norm->running_var)});
    ops::fill_(norm->num_batches_tracked, 0);
  });
  const TrainingModes modes(root);
  root.set_training(true);
  bool any = false;
  while (true) {
    // From 0 a forward pass leaves momentum times the batch's own statistics.
    for (const Measured& measured : norms) {
      ops::fill_(measured.norm->running_mean, 0);
      ops::fill_(measured.norm->running_var, 0);
    }
    std::vector<int64_t> before;
    for (const Measured& measured : norms) {
      before.push_back(static_cast<int64_t>(measured.norm->num_batches_tracked.item()));
    }
    const bool more = forward();
    for (size_t i = 0; i < norms.size(); ++i) {
      Measured& measured = norms[i];
      const auto passes = static_cast<int64_t>(measured.norm->num_batches_tracked.item()) - before[i];
      if (passes == 0) continue;
      check(passes == 1, "update_batch_norm: a norm was used {} times in a pass, expected once", passes);
      ops::add_(measured.mean, measured.norm->running_mean, 1 / measured.norm->spec().momentum);
      ops::add_(measured.var, measured.norm->running_var, 1 / measured.norm->spec().momentum);
      ++measured.batches;
    }
    if (!more) break;
    any = true;
  }
  check(any || norms.empty(), "update_batch_norm: no batch");
  for (const Measured& measured : norms) {
    // One that no batch reached stays as a new one is.
    if (measured.batches == 0) {
      ops::fill_(measured.norm->running_var, 1);
      continue;
    }
    const double share = 1 / static_cast<double>(measured.batches);
    ops::copy_(measured.norm->running_mean, ops::mul(measured.mean, share));
    ops::copy_(measured.norm->running_var, ops::mul(measured.var, share));
  }
}

}  // namespace bevgrad
