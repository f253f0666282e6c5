// Containers of modules, with PyTorch's names: children are "0", "1", ...
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "nn/module.h"
#include "nn/module_call.h"

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

/// Modules of one type under names, in the order in which they were made.
template <class M>
class ModuleDict : public Module {
 public:
  /// Makes a module from `arguments` and registers it under `name`.
  template <class... Arguments>
  M& emplace(const std::string& name, Arguments&&... arguments) {
    auto module = std::make_unique<M>(std::forward<Arguments>(arguments)...);
    register_module(name, *module);
    modules_.emplace_back(name, std::move(module));
    return *modules_.back().second;
  }
  size_t size() const { return modules_.size(); }
  bool contains(const std::string& name) const { return place(name) < modules_.size(); }
  M& operator[](const std::string& name) {
    const size_t at = place(name);
    check(at < modules_.size(), "ModuleDict: no module is called {}", name);
    return *modules_[at].second;
  }
  auto begin() { return modules_.begin(); }  // iterates over pairs of a name and a std::unique_ptr<M>
  auto end() { return modules_.end(); }

 private:
  size_t place(const std::string& name) const {
    size_t at = 0;
    while (at < modules_.size() && modules_[at].first != name) ++at;
    return at;
  }

  std::vector<std::pair<std::string, std::unique_ptr<M>>> modules_;
};

/// Modules of one type, each applied to the one before's result: `M` has forward(const Tensor&).
template <class M = void>
class Sequential : public ModuleList<M> {
 public:
  Tensor forward(Tensor x) {
    return module_call(*this, [&] {
      for (const auto& module : *this) x = module->forward(x);
      return x;
    });
  }
};

/// Modules of any types that have forward(const Tensor&), and functions, each applied to the one before's result:
///   Sequential<> net;
///   net.emplace<Conv2d>(3, 8, ConvSpec{.kernel = 3});
///   net.append(relu);
template <>
class Sequential<void> : public Module {
 public:
  template <class M, class... Arguments>
  M& emplace(Arguments&&... arguments) {
    auto module = std::make_unique<M>(std::forward<Arguments>(arguments)...);
    M& made = *module;
    add(std::move(module), [&made](const Tensor& x) { return made.forward(x); });
    return made;
  }
  /// A function has a number as modules do, so that those behind it are called as in PyTorch's Sequential.
  void append(std::function<Tensor(const Tensor&)> function) { add(std::make_unique<Module>(), std::move(function)); }
  size_t size() const { return modules_.size(); }

  Tensor forward(Tensor x) {
    return module_call(*this, [&] {
      for (const auto& function : functions_) x = function(x);
      return x;
    });
  }

 private:
  void add(std::unique_ptr<Module> module, std::function<Tensor(const Tensor&)> function) {
    register_module(std::to_string(modules_.size()), *module);
    modules_.push_back(std::move(module));
    functions_.push_back(std::move(function));
  }

  std::vector<std::unique_ptr<Module>> modules_;
  std::vector<std::function<Tensor(const Tensor&)>> functions_;
};

}  // namespace bevgrad
