// Finding where the first infinity or NaN came from: while an AnomalyGuard lives, every differentiable function and
// every backward rule has its result looked at, and the first that makes a value that is no finite number throws, with
// its name and the module that it ran in. It costs a pass over every result (and waits for a GPU each time).
#pragma once
#include <string>
#include <vector>

#include "tensor/tensor.h"

namespace bevgrad {

/// Switches the search on (or off) for a scope, on this thread: around forward and backward of a step.
class AnomalyGuard {
 public:
  explicit AnomalyGuard(bool on = true);
  ~AnomalyGuard();
  AnomalyGuard(const AnomalyGuard&) = delete;
  AnomalyGuard& operator=(const AnomalyGuard&) = delete;

 private:
  bool previous_;
};

namespace anomaly {

bool is_on();
/// Who knows the path of the module that runs now ("fuser.0"); nn/ sets it. "" where none runs.
void set_module_path(std::string (*path)());
std::string module_path();

// For the engine.
void check_result(const char* op, const Tensor& result, const std::vector<Tensor>& inputs);
void check_gradients(const char* op, const std::string& module, const Tensor& dy, const std::vector<Tensor>& gradients);

}  // namespace anomaly
}  // namespace bevgrad
