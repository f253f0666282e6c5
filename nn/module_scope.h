// Which module is at work: for messages that come out of a running network (autograd/anomaly.h) and for profiles.
#pragma once
#include <string>

#include "nn/module.h"

namespace bevgrad {

/// The duration of a module's forward function, on this thread. Layers and blocks begin with it:
///   Tensor forward(const Tensor& x) { const ModuleScope scope(*this); ... }
class ModuleScope {
 public:
  explicit ModuleScope(const Module& module);
  ~ModuleScope();
  ModuleScope(const ModuleScope&) = delete;
  ModuleScope& operator=(const ModuleScope&) = delete;

 private:
  friend std::string current_module_path();
  const Module& module_;
  const ModuleScope* outer_;
};

/// The dotted path of the innermost module at work, from the outermost one's children on ("layer1.0.conv1"); "" where
/// none is. A module that was not registered in the one around it is "?".
std::string current_module_path();

}  // namespace bevgrad
