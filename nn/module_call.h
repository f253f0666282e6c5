// A call of a module: what a forward function is wrapped in, so that profiles, messages and hooks know of it.
#pragma once
#include <utility>
#include <vector>

#include "nn/module.h"
#include "nn/module_scope.h"

namespace bevgrad {

/// Hands each tensor of a module's output to `f`, in order. A type of one's own has such a function beside it.
template <class F>
void each_output(Tensor& output, F&& f) {
  f(output);
}
template <class F>
void each_output(std::vector<Tensor>& outputs, F&& f) {
  for (Tensor& output : outputs) f(output);
}
template <class F>
void each_output(NamedTensors& outputs, F&& f) {
  for (auto& [name, output] : outputs) f(output);
}

/// Computes `body`, the forward function of `module`, and hands what it gives to the module's hooks:
///   Tensor forward(const Tensor& x) {
///     return module_call(*this, [&] { return relu(conv_.forward(x)); });
///   }
/// Operations of the body are booked on the module, those within the calls of other modules on these.
template <class Body>
auto module_call(const Module& module, Body&& body) {
  const ModuleScope scope(module);
  auto output = std::forward<Body>(body)();
  if (module.has_hooks()) {
    size_t i = 0;
    each_output(output, [&](Tensor& tensor) { tensor = module.after_hooks(tensor, i++); });
  }
  return output;
}

}  // namespace bevgrad
