#include "optim/adamw.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "autograd/autograd.h"
#include "tensor/element.h"
#include "tensor/host_device.h"
#include "tensor/launch.h"
#include "tensor/ops.h"

namespace bevgrad {
namespace {

/// One element of a step. The scalars are rounded to float once, as PyTorch does.
struct AdamWElement {
  float* value;
  float* exp_avg;
  float* exp_avg_sq;
  const float* gradient;
  float decay;  // 1 - lr * weight_decay
  float lerp;   // 1 - beta1
  float beta2;
  float one_minus_beta2;
  float step_size;   // lr / (1 - beta1^t)
  float correction;  // sqrt(1 - beta2^t)
  float eps;

  BEVGRAD_HD void operator()(int64_t i) const {
    const float g = gradient[i];
    const float m = exp_avg[i] + lerp * (g - exp_avg[i]);
    const float v = exp_avg_sq[i] * beta2 + one_minus_beta2 * g * g;
    exp_avg[i] = m;
    exp_avg_sq[i] = v;
    value[i] = value[i] * decay - step_size * (m / (std::sqrt(v) / correction + eps));
  }
};

/// The sum of squares of one gradient's elements i, i + parts, i + 2 parts, ...
template <class T>
struct SquaresOfPart {
  const T* gradient;
  double* partial;
  int64_t count, parts;

  BEVGRAD_HD void operator()(int64_t part) const {
    double total = 0;
    for (int64_t i = part; i < count; i += parts) {
      const auto value = static_cast<double>(load(gradient, i));
      total += value * value;
    }
    partial[part] = total;
  }
};

/// Of all gradients on one GPU, which is waited for once.
double sum_of_squares_on_device(const std::vector<Tensor>& gradients, Device device) {
  constexpr int64_t kElements = 64, kMostParts = 4096;
  const auto parts_of = [&](const Tensor& gradient) {
    return std::clamp<int64_t>(gradient.numel() / kElements, 1, kMostParts);
  };
  int64_t parts = 0;
  for (const Tensor& gradient : gradients) parts += parts_of(gradient);
  const Tensor partial = empty({parts}, {DType::Float64, {}, device});
  double* next = partial.data<double>();
  for (const Tensor& gradient : gradients) {
    const int64_t count = parts_of(gradient);
    dispatch_floating("clip_grad_norm", gradient.dtype(), [&]<class T>() {
      launch(device, count, SquaresOfPart<T>{gradient.data<const T>(), next, gradient.numel(), count});
    });
    next += count;
  }
  return ops::sum(partial).item();
}

double sum_of_squares(const std::vector<OptimizedParameter>& parameters) {
  std::vector<Tensor> gradients;
  for (const OptimizedParameter& parameter : parameters)
    if (const Tensor gradient = grad(parameter.value); gradient.defined()) gradients.push_back(gradient);
  if (!gradients.empty() && !gradients[0].device().is_cpu()) {
    // The order of a gradient's elements does not matter, as long as they lie without gaps.
    for (Tensor& gradient : gradients) gradient = ops::contiguous(gradient, gradient.suggested_format());
    return sum_of_squares_on_device(gradients, gradients[0].device());
  }
  double total = 0;
  for (const Tensor& gradient : gradients) total += ops::sum_of_squares(gradient);
  return total;
}

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

void AdamW::set_parameters(std::vector<OptimizedParameter> parameters) {
  std::set<std::string> names;
  for (const OptimizedParameter& parameter : parameters) {
    check(parameter.value.dtype() == DType::Float32, "AdamW: parameter {} is {}, expected float32", parameter.name,
          name(parameter.value.dtype()));
    check(parameter.value.is_contiguous() || parameter.value.is_contiguous(MemoryFormat::ChannelsLast),
          "AdamW: parameter {} is not dense", parameter.name);
    check(names.insert(parameter.name).second, "AdamW: parameter {} is there twice", parameter.name);
  }
  std::erase_if(moments_, [&](const auto& entry) { return !names.contains(entry.first); });
  parameters_ = std::move(parameters);
}

void AdamW::step(double lr) {
  for (const OptimizedParameter& parameter : parameters_) {
    Tensor gradient = grad(parameter.value);
    if (!gradient.defined()) continue;
    check(gradient.sizes() == parameter.value.sizes(), "AdamW: parameter {} is {}, its gradient {}", parameter.name,
          describe(parameter.value), describe(gradient));
    // Memory order must agree element by element.
    gradient = ops::contiguous(ops::to(gradient, DType::Float32),
                               parameter.value.is_contiguous() ? MemoryFormat::Contiguous : MemoryFormat::ChannelsLast);
    Moments& moments = moments_[parameter.name];
    if (!moments.exp_avg.defined()) {
      moments.exp_avg = zeros_like(parameter.value);
      moments.exp_avg_sq = zeros_like(parameter.value);
    }
    ++moments.step;
    const double t = static_cast<double>(moments.step);
    const double rate = lr * parameter.lr_scale;
    const double decay = parameter.decays ? 1.0 - rate * options_.weight_decay : 1.0;
    const AdamWElement element{parameter.value.data<float>(),
                               moments.exp_avg.data<float>(),
                               moments.exp_avg_sq.data<float>(),
                               gradient.data<const float>(),
                               static_cast<float>(decay),
                               static_cast<float>(1.0 - options_.beta1),
                               static_cast<float>(options_.beta2),
                               static_cast<float>(1.0 - options_.beta2),
                               static_cast<float>(rate / (1.0 - std::pow(options_.beta1, t))),
                               static_cast<float>(std::sqrt(1.0 - std::pow(options_.beta2, t))),
                               static_cast<float>(options_.eps)};
    launch(parameter.value.device(), parameter.value.numel(), element, 4);
    ++parameter.value.storage()->version;
  }
}

void AdamW::zero_grad() {
  for (const OptimizedParameter& parameter : parameters_) set_grad(parameter.value, Tensor());
}

std::map<std::string, StateDict> AdamW::state() const {
  std::map<std::string, StateDict> state = {{"exp_avg", {}}, {"exp_avg_sq", {}}, {"step", {}}};
  for (const OptimizedParameter& parameter : parameters_) {
    const auto found = moments_.find(parameter.name);
    if (found == moments_.end()) continue;
    state["exp_avg"].emplace_back(parameter.name, found->second.exp_avg);
    state["exp_avg_sq"].emplace_back(parameter.name, found->second.exp_avg_sq);
    state["step"].emplace_back(parameter.name, scalar(static_cast<double>(found->second.step)));
  }
  return state;
}

void AdamW::load_state(const std::map<std::string, StateDict>& state) {
  std::map<std::string, const OptimizedParameter*> known;
  for (const OptimizedParameter& parameter : parameters_) known[parameter.name] = &parameter;
  std::map<std::string, Moments> moments;
  for (const auto& [kind, tensors] : state) {
    check(kind == "exp_avg" || kind == "exp_avg_sq" || kind == "step",
          "AdamW: the state holds \"{}\", which is not known", kind);
    for (const auto& [parameter_name, tensor] : tensors) {
      const auto found = known.find(parameter_name);
      check(found != known.end(), "AdamW: the state holds {} of {}, which is no trained parameter", kind,
            parameter_name);
      Moments& target = moments[parameter_name];
      if (kind == "step") {
        check(tensor.numel() == 1, "AdamW: step of {} is {}, expected one number", parameter_name, describe(tensor));
        target.step = static_cast<int64_t>(tensor.item());
        check(target.step > 0, "AdamW: step of {} is {}, expected 1 or more", parameter_name, target.step);
        continue;
      }
      const Tensor& value = found->second->value;
      check(tensor.sizes() == value.sizes(), "AdamW: {} of {} is {}, the parameter {}", kind, parameter_name,
            describe(tensor), describe(value));
      Tensor copy = empty_like(value);
      ops::copy_(copy, tensor);
      (kind == "exp_avg" ? target.exp_avg : target.exp_avg_sq) = copy;
    }
  }
  for (const auto& [parameter_name, target] : moments)
    check(target.exp_avg.defined() && target.exp_avg_sq.defined() && target.step > 0,
          "AdamW: the state of {} is incomplete, expected exp_avg, exp_avg_sq and step", parameter_name);
  moments_ = std::move(moments);
}

size_t AdamW::state_bytes() const {
  size_t bytes = 0;
  for (const auto& [parameter_name, moments] : moments_) bytes += 2 * moments.exp_avg.nbytes();
  return bytes;
}

double clip_grad_norm(const std::vector<OptimizedParameter>& parameters, double max_norm) {
  const double norm = std::sqrt(sum_of_squares(parameters));
  if (max_norm > 0 && norm > max_norm && std::isfinite(norm)) {
    for (const OptimizedParameter& parameter : parameters) {
      if (const Tensor gradient = grad(parameter.value); gradient.defined())
        ops::mul_(gradient, max_norm / (norm + 1e-6));
    }
  }
  return norm;
}

}  // namespace bevgrad
