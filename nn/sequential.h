// Containers of modules, with PyTorch's names: children are "0", "1", ...
#pragma once
#include <memory>
#include <utility>
#include <vector>

#include "nn/module.h"
#include "nn/module_scope.h"

namespace bevgrad {

/// Modules of one type in order; how they are applied is the owner's affair.
template <class M>
class ModuleList : public Module {
 public:
  /// Makes a module from `arguments` and registers it under the next number.
  template <class... Arguments>
  M& emplace(Arguments&&... arguments) {
    modules_.push_back(std::make_unique<M>(std::forward<Arguments>(arguments)...));
    register_module(std::to_string(modules_.size() - 1), *modules_.back());
    return *modules_.back();
  }
  size_t size() const { return modules_.size(); }
  bool empty() const { return modules_.empty(); }
  M& operator[](size_t i) { return *modules_.at(i); }
  auto begin() { return modules_.begin(); }  // iterates over std::unique_ptr<M>
  auto end() { return modules_.end(); }

 private:
  std::vector<std::unique_ptr<M>> modules_;
};

/// Modules of one type, each applied to the one before's result: `M` has forward(const Tensor&).
template <class M>
class Sequential : public ModuleList<M> {
 public:
  Tensor forward(Tensor x) {
    const ModuleScope scope(*this);
    for (const auto& module : *this) x = module->forward(x);
    return x;
  }
};

}  // namespace bevgrad
