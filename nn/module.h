// Module: named parameters, buffers and children, with PyTorch's state_dict names and order.
//
//   struct Block : Module {
//     Conv2d conv{64, 64, {.kernel = 3, .padding = 1}};
//     BatchNorm2d bn{64};
//     Block() { register_module("conv", conv); register_module("bn", bn); }
//     Tensor forward(const Tensor& x) {
//       return module_call(*this, [&] { return relu(bn.forward(conv.forward(x))); });  // nn/module_call.h
//     }
//   };
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "autograd/autograd.h"
#include "tensor/tensor.h"

namespace bevgrad {

class Generator;

class Module;

using NamedTensors = std::vector<std::pair<std::string, Tensor>>;

/// Sees a tensor that a call of `module` gave (0 where it gives one, else its place among them) and returns what takes
/// its place: the same tensor where the hook only looks.
using ForwardHook = std::function<Tensor(const Module& module, const Tensor& output, size_t place)>;
/// The same of the gradient of an output, in the backward pass.
using BackwardHook = std::function<Tensor(const Module& module, const Tensor& gradient, size_t place)>;
/// A hook is called while its handle lives.
using HookHandle = std::shared_ptr<const ForwardHook>;

class Module {
 public:
  Module() = default;
  virtual ~Module() = default;
  // Children are registered by address.
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  /// Parameters with dotted names: a module's own first, then its children's, in the order of registration.
  NamedTensors named_parameters(const std::string& prefix = "") const;
  NamedTensors named_buffers(const std::string& prefix = "") const;
  /// Parameters and buffers in PyTorch's order: per module own parameters, own buffers, then children.
  NamedTensors state_dict(const std::string& prefix = "") const;
  int64_t parameter_count() const;

  const std::vector<std::pair<std::string, Module*>>& children() const { return children_; }
  /// The module at a dotted path ("layer1.0.conv1"); null where there is none. "" is this module.
  Module* find(const std::string& path);
  /// Visits this module and all below it with their dotted paths, parents first.
  void visit(const std::function<void(const std::string& path, Module& module)>& visitor, const std::string& path = "");

  bool training() const { return training_; }
  void set_training(bool training);
  /// Moves parameters, their gradients and floating-point buffers of this module and all below it to a device, in
  /// place: handles and views that others hold move along. Counters stay on the CPU, where they are counted.
  void move_to(Device device);
  /// Converts floating-point parameters, their gradients and floating-point buffers of this module and all below it,
  /// in place: handles that others hold change along, views of them do not. Float64 is what gradcheck wants.
  void move_to(DType dtype);
  /// Draws the module's own parameters as PyTorch's layer of that kind does; those of its children are theirs.
  /// init::reset_parameters calls it for every module of a tree.
  virtual void draw_parameters(Generator&) {}
  /// Where the first parameter is; the CPU where there is none.
  Device device() const;

  /// Frozen: no gradients, and normalisation uses its running statistics whatever training() says.
  bool frozen() const { return frozen_; }
  void set_frozen(bool frozen);

  /// Hooks see what each call of this module gives, in the order in which they were set. A fused step that would not
  /// compute that output is taken apart: a convolution with an activation of its own gives the value before it. Where
  /// a forward is recomputed (autograd/checkpoint.h), its hooks are called again.
  [[nodiscard]] HookHandle on_forward(ForwardHook hook);
  [[nodiscard]] HookHandle on_backward(BackwardHook hook);
  bool has_hooks() const;
  /// Whether this module or one below it has hooks.
  bool has_hooks_within() const;
  /// What the hooks make of an output; module_call asks.
  Tensor after_hooks(Tensor output, size_t place) const;

 protected:
  /// Returns the parameter (which requires a gradient). Names hold no dots and are unique within the module.
  Tensor register_parameter(const std::string& name, Tensor value);
  Tensor register_buffer(const std::string& name, Tensor value);
  void register_module(const std::string& name, Module& child);

 private:
  void check_name(const std::string& name) const;
  const Tensor* first_parameter() const;

  NamedTensors parameters_;
  NamedTensors buffers_;
  std::vector<std::pair<std::string, Module*>> children_;
  std::vector<std::weak_ptr<const ForwardHook>> hooks_;
  bool training_ = true;
  bool frozen_ = false;
};

}  // namespace bevgrad
