#include "nn/module_scope.h"

#include "autograd/anomaly.h"
#include "tensor/profile.h"
#include "tensor/thread_scopes.h"

namespace bevgrad {
namespace {

// The path of `wanted` below `module`; "" where it is not there.
std::string path_below(const Module& module, const Module& wanted) {
  for (const auto& [name, child] : module.children()) {
    if (child == &wanted) return name;
    if (const std::string rest = path_below(*child, wanted); !rest.empty()) return name + "." + rest;
  }
  return "";
}

}  // namespace

ModuleScope::ModuleScope(const Module& module) : module_(module), outer_(thread_scopes().module) {
  static const bool told = [] {
    anomaly::set_module_path(current_module_path);
    return true;
  }();
  (void)told;
  thread_scopes().module = this;
  profile::module_entered(&module);
}

ModuleScope::~ModuleScope() {
  profile::module_left(&module_, outer_ ? &outer_->module_ : nullptr);
  thread_scopes().module = outer_;
}

std::string current_module_path() {
  std::string path;
  for (const ModuleScope* scope = thread_scopes().module; scope && scope->outer_; scope = scope->outer_) {
    if (&scope->module_ == &scope->outer_->module_) continue;
    const std::string step = path_below(scope->outer_->module_, scope->module_);
    path = (step.empty() ? "?" : step) + (path.empty() ? "" : "." + path);
  }
  return path;
}

}  // namespace bevgrad
