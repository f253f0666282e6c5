#include "optim/optimizer.h"

#include <algorithm>
#include <set>

#include "autograd/autograd.h"
#include "tensor/ops.h"

namespace bevgrad {
namespace {

constexpr const char* kStep = "step";

}  // namespace

std::vector<OptimizedParameter> optimized_parameters(const StateDict& parameters,
                                                     const std::vector<std::pair<std::string, double>>& scales) {
  std::vector<OptimizedParameter> result;
  for (const auto& [name, value] : parameters) {
    OptimizedParameter parameter{name, value, 1.0, value.dim() > 1};
    size_t longest = 0;
    for (const auto& [prefix, scale] : scales) {
      if (prefix.size() > longest && name.starts_with(prefix)) {
        longest = prefix.size();
        parameter.lr_scale = scale;
      }
    }
    result.push_back(std::move(parameter));
  }
  return result;
}

Optimizer::Optimizer(std::string name, std::vector<std::string> tensors, bool counts_steps)
    : name_(std::move(name)), tensor_names_(std::move(tensors)), counts_steps_(counts_steps) {}

std::optional<Shape> Optimizer::state_sizes(const OptimizedParameter& parameter, size_t) const {
  return parameter.value.sizes();
}

void Optimizer::set_parameters(std::vector<OptimizedParameter> parameters) {
  std::set<std::string> names;
  for (const OptimizedParameter& parameter : parameters) {
    check(parameter.value.dtype() == DType::Float32, "{}: parameter {} is {}, expected float32", name_, parameter.name,
          name(parameter.value.dtype()));
    check(parameter.value.is_contiguous() || parameter.value.is_contiguous(MemoryFormat::ChannelsLast),
          "{}: parameter {} is not dense", name_, parameter.name);
    check(names.insert(parameter.name).second, "{}: parameter {} is there twice", name_, parameter.name);
  }
  std::erase_if(states_, [&](const auto& entry) { return !names.contains(entry.first); });
  parameters_ = std::move(parameters);
  share_.clear();
}

void Optimizer::set_share(const std::vector<bool>& share) {
  check(share.empty() || share.size() == parameters_.size(), "{}: a share of {} parameters, there are {}", name_,
        share.size(), parameters_.size());
  share_ = share;
  drop_state_of_others();
}

void Optimizer::drop_state_of_others() {
  for (size_t i = 0; i < parameters_.size(); ++i)
    if (!steps(i)) states_.erase(parameters_[i].name);
}

void Optimizer::step(double lr, double gradient_factor) {
  std::vector<Update> updates;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const OptimizedParameter& parameter = parameters_[i];
    Tensor gradient = grad(parameter.value);
    if (!gradient.defined() || !steps(i)) continue;
    check(gradient.sizes() == parameter.value.sizes(), "{}: parameter {} is {}, its gradient {}", name_, parameter.name,
          describe(parameter.value), describe(gradient));
    // Memory order must agree element by element.
    gradient = ops::contiguous(ops::to(gradient, DType::Float32),
                               parameter.value.is_contiguous() ? MemoryFormat::Contiguous : MemoryFormat::ChannelsLast);
    ParameterState& state = states_[parameter.name];
    state.tensors.resize(tensor_names_.size());
    ++state.step;
    updates.push_back({&parameter, gradient, lr * parameter.lr_scale, &state});
    ++parameter.value.storage()->version;
  }
  if (updates.empty() || update_at_once(updates, gradient_factor)) return;
  for (const Update& one : updates) {
    if (gradient_factor != 1) ops::mul_(one.gradient, gradient_factor);
    update(*one.parameter, one.gradient, one.lr, *one.state);
  }
}

void Optimizer::zero_grad() {
  for (const OptimizedParameter& parameter : parameters_) set_grad(parameter.value, Tensor());
}

std::map<std::string, StateDict> Optimizer::state() const {
  std::map<std::string, StateDict> all;
  for (const std::string& tensor_name : tensor_names_) all[tensor_name];
  if (counts_steps_) all[kStep];
  for (const OptimizedParameter& parameter : parameters_) {
    const auto found = states_.find(parameter.name);
    if (found == states_.end()) continue;
    for (size_t i = 0; i < tensor_names_.size(); ++i)
      if (found->second.tensors[i].defined())
        all[tensor_names_[i]].emplace_back(parameter.name, found->second.tensors[i]);
    if (counts_steps_) all[kStep].emplace_back(parameter.name, scalar(static_cast<double>(found->second.step)));
  }
  return all;
}

void Optimizer::load_state(const std::map<std::string, StateDict>& state) {
  std::map<std::string, const OptimizedParameter*> known;
  for (const OptimizedParameter& parameter : parameters_) known[parameter.name] = &parameter;
  std::map<std::string, ParameterState> states;
  for (const auto& [kind, tensors] : state) {
    const bool is_step = counts_steps_ && kind == kStep;
    const auto slot = std::find(tensor_names_.begin(), tensor_names_.end(), kind) - tensor_names_.begin();
    check(is_step || slot < std::ssize(tensor_names_),
          "{}: the state holds \"{}\", which is not known: is it of another optimizer?", name_, kind);
    for (const auto& [parameter_name, tensor] : tensors) {
      const auto found = known.find(parameter_name);
      check(found != known.end(), "{}: the state holds {} of {}, which is no trained parameter", name_, kind,
            parameter_name);
      ParameterState& target = states[parameter_name];
      target.tensors.resize(tensor_names_.size());
      if (is_step) {
        check(tensor.numel() == 1, "{}: step of {} is {}, expected one number", name_, parameter_name,
              describe(tensor));
        target.step = static_cast<int64_t>(tensor.item());
        check(target.step > 0, "{}: step of {} is {}, expected 1 or more", name_, parameter_name, target.step);
        continue;
      }
      const Tensor& value = found->second->value;
      const std::optional<Shape> sizes = state_sizes(*found->second, static_cast<size_t>(slot));
      check(sizes == tensor.sizes(), "{}: {} of {} is {}, the parameter {}", name_, kind, parameter_name,
            describe(tensor), describe(value));
      const Tensor copy = *sizes == value.sizes() ? empty_like(value) : empty(*sizes, {.device = value.device()});
      ops::copy_(copy, tensor);
      target.tensors[static_cast<size_t>(slot)] = copy;
    }
  }
  for (const auto& [parameter_name, target] : states) {
    for (size_t i = 0; i < tensor_names_.size(); ++i)
      check(target.tensors[i].defined() || !state_sizes(*known.at(parameter_name), i),
            "{}: the state of {} is incomplete, it lacks {}", name_, parameter_name, tensor_names_[i]);
    check(!counts_steps_ || target.step > 0, "{}: the state of {} is incomplete, it lacks step", name_, parameter_name);
  }
  for (const std::string& tensor_name : tensor_names_)
    check(state.contains(tensor_name), "{}: the state lacks {}: is it of another optimizer?", name_, tensor_name);
  states_ = std::move(states);
  drop_state_of_others();
}

size_t Optimizer::state_bytes() const {
  size_t bytes = 0;
  for (const auto& [parameter_name, state] : states_)
    for (const Tensor& tensor : state.tensors)
      if (tensor.defined()) bytes += tensor.nbytes();
  return bytes;
}

}  // namespace bevgrad
