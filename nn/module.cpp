#include "nn/module.h"

#include <algorithm>

namespace bevgrad {
namespace {

std::string join(const std::string& prefix, const std::string& name) {
  return prefix.empty() ? name : prefix + "." + name;
}

// Gives the tensor's storage another block of memory, with the same layout.
void move(const Tensor& tensor, Device device) {
  Storage& storage = *tensor.storage();
  if (storage.device == device) return;
  const auto count = static_cast<int64_t>(storage.bytes / item_size(tensor.dtype()));
  const Tensor whole(tensor.storage(), 0, {count}, {1}, tensor.dtype());
  const Tensor moved = ops::to(whole, device);
  storage.block = moved.storage()->block;
  storage.device = device;
  tensor.note_write();
  if (const Tensor gradient = grad(tensor); gradient.defined()) set_grad(tensor, ops::to(gradient, device));
}

}  // namespace

NamedTensors Module::named_parameters(const std::string& prefix) const {
  NamedTensors result;
  for (const auto& [name, tensor] : parameters_) result.emplace_back(join(prefix, name), tensor);
  for (const auto& [name, child] : children_)
    for (auto& entry : child->named_parameters(join(prefix, name))) result.push_back(std::move(entry));
  return result;
}

NamedTensors Module::named_buffers(const std::string& prefix) const {
  NamedTensors result;
  for (const auto& [name, tensor] : buffers_) result.emplace_back(join(prefix, name), tensor);
  for (const auto& [name, child] : children_)
    for (auto& entry : child->named_buffers(join(prefix, name))) result.push_back(std::move(entry));
  return result;
}

NamedTensors Module::state_dict(const std::string& prefix) const {
  NamedTensors result;
  for (const auto& [name, tensor] : parameters_) result.emplace_back(join(prefix, name), tensor);
  for (const auto& [name, tensor] : buffers_) result.emplace_back(join(prefix, name), tensor);
  for (const auto& [name, child] : children_)
    for (auto& entry : child->state_dict(join(prefix, name))) result.push_back(std::move(entry));
  return result;
}

int64_t Module::parameter_count() const {
  int64_t count = 0;
  for (const auto& [name, tensor] : named_parameters()) count += tensor.numel();
  return count;
}

Module* Module::find(const std::string& path) {
  if (path.empty()) return this;
  for (const auto& [name, child] : children_) {
    if (path == name) return child;
    if (path.starts_with(name + ".")) {
      if (Module* found = child->find(path.substr(name.size() + 1))) return found;
    }
  }
  return nullptr;
}

void Module::visit(const std::function<void(const std::string&, Module&)>& visitor, const std::string& path) {
  visitor(path, *this);
  for (const auto& [name, child] : children_) child->visit(visitor, join(path, name));
}

void Module::set_training(bool training) {
  training_ = training;
  for (const auto& [name, child] : children_) child->set_training(training);
}

void Module::move_to(Device device) {
  for (const auto& [name, tensor] : parameters_) move(tensor, device);
  for (const auto& [name, tensor] : buffers_)
    if (is_floating_point(tensor.dtype())) move(tensor, device);
  for (const auto& [name, child] : children_) child->move_to(device);
}

void Module::move_to(DType dtype) {
  check(dtype == DType::Float32 || dtype == DType::Float64,
        "move_to: {} is no dtype of parameters, expected float32 "
        "or float64",
        name(dtype));
  const NoGradGuard no_grad;
  const auto convert = [dtype](const Tensor& tensor) {
    if (!is_floating_point(tensor.dtype())) return;
    if (const Tensor gradient = grad(tensor); gradient.defined()) set_grad(tensor, ops::to(gradient, dtype));
    tensor.set_data(ops::to(tensor, dtype));
  };
  for (const auto& [name, tensor] : parameters_) convert(tensor);
  for (const auto& [name, tensor] : buffers_) convert(tensor);
  for (const auto& [name, child] : children_) child->move_to(dtype);
}

Device Module::device() const {
  const Tensor* first = first_parameter();
  return first ? first->device() : Device();
}

const Tensor* Module::first_parameter() const {
  if (!parameters_.empty()) return &parameters_.front().second;
  for (const auto& [name, child] : children_)
    if (const Tensor* found = child->first_parameter()) return found;
  return nullptr;
}

void Module::set_frozen(bool frozen) {
  frozen_ = frozen;
  for (const auto& [name, tensor] : parameters_) set_requires_grad(tensor, !frozen);
  for (const auto& [name, child] : children_) child->set_frozen(frozen);
}

HookHandle Module::on_forward(ForwardHook hook) {
  check(static_cast<bool>(hook), "module: the hook is empty");
  std::erase_if(hooks_, [](const auto& set) { return set.expired(); });
  auto handle = std::make_shared<const ForwardHook>(std::move(hook));
  hooks_.push_back(handle);
  return handle;
}

HookHandle Module::on_backward(BackwardHook hook) {
  check(static_cast<bool>(hook), "module: the hook is empty");
  return on_forward([hook = std::move(hook)](const Module& module, const Tensor& output, size_t place) {
    if (!will_record({output})) return output;
    return record(
        "backward hook", detach(output), {output},
        [&module, hook, place](const Tensor& dy, const NeedsGrad&) { return Grads{hook(module, dy, place)}; });
  });
}

bool Module::has_hooks() const {
  return std::ranges::any_of(hooks_, [](const auto& set) { return !set.expired(); });
}

bool Module::has_hooks_within() const {
  return has_hooks() ||
         std::ranges::any_of(children_, [](const auto& child) { return child.second->has_hooks_within(); });
}

Tensor Module::after_hooks(Tensor output, size_t place) const {
  if (!output.defined()) return output;
  for (const auto& set : hooks_)
    if (const HookHandle hook = set.lock()) output = (*hook)(*this, output, place);
  return output;
}

Tensor Module::register_parameter(const std::string& name, Tensor value) {
  check_name(name);
  set_requires_grad(value, true);
  parameters_.emplace_back(name, value);
  return value;
}

Tensor Module::register_buffer(const std::string& name, Tensor value) {
  check_name(name);
  buffers_.emplace_back(name, value);
  return value;
}

void Module::register_module(const std::string& name, Module& child) {
  check_name(name);
  children_.emplace_back(name, &child);
}

void Module::check_name(const std::string& name) const {
  check(!name.empty() && name.find('.') == std::string::npos, "module: the name '{}' is empty or holds a dot", name);
  bool taken = false;
  for (const auto& [other, tensor] : parameters_) taken |= other == name;
  for (const auto& [other, tensor] : buffers_) taken |= other == name;
  for (const auto& [other, child] : children_) taken |= other == name;
  check(!taken, "module: the name '{}' is registered twice", name);
}

}  // namespace bevgrad
