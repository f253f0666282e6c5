#include "optim/adamw.h"

#include <algorithm>
#include <cmath>

#include "internal/tensor_list.h"
#include "tensor/host_device.h"
#include "tensor/launch.h"

namespace bevgrad {
namespace {

/// The scalars of a step, rounded to float once, as PyTorch does.
struct AdamWScalars {
  float decay;  // 1 - lr * weight_decay
  float lerp;   // 1 - beta1
  float beta2;
  float one_minus_beta2;
  float step_size;   // lr / (1 - beta1^t)
  float correction;  // sqrt(1 - beta2^t)
  float eps;

  BEVGRAD_HD void update(float& value, float& exp_avg, float& exp_avg_sq, float g) const {
    const float m = exp_avg + lerp * (g - exp_avg);
    const float v = exp_avg_sq * beta2 + one_minus_beta2 * g * g;
    exp_avg = m;
    exp_avg_sq = v;
    value = value * decay - step_size * (m / (std::sqrt(v) / correction + eps));
  }
  bool operator==(const AdamWScalars&) const = default;
};

/// One element of one parameter.
struct AdamWElement {
  float* value;
  float* exp_avg;
  float* exp_avg_sq;
  const float* gradient;
  AdamWScalars scalars;

  BEVGRAD_HD void operator()(int64_t i) const { scalars.update(value[i], exp_avg[i], exp_avg_sq[i], gradient[i]); }
};

/// A step of many parameters: `data` is value, exp_avg, exp_avg_sq and gradient.
struct AdamWList {
  static constexpr size_t kMostGroups = 64;
  TensorListView list;
  float gradient_factor;
  AdamWScalars groups[kMostGroups];

  template <int kLanes>
  BEVGRAD_HD void operator()(const ListedTensors& tensors, int64_t at) const {
    using Run = FloatRun<kLanes>;
    Run value = Run::of(tensors.data[0] + at), m = Run::of(tensors.data[1] + at), v = Run::of(tensors.data[2] + at);
    const Run gradient = Run::of(tensors.data[3] + at);
    for (int k = 0; k < kLanes; ++k)
      groups[tensors.group].update(value.lanes[k], m.lanes[k], v.lanes[k], gradient.lanes[k] * gradient_factor);
    value.store(tensors.data[0] + at);
    m.store(tensors.data[1] + at);
    v.store(tensors.data[2] + at);
  }

  BEVGRAD_HD void operator()(int64_t i) const {
    list.visit(i / TensorListView::kMembers, static_cast<int>(i % TensorListView::kMembers), *this);
  }
};

AdamWScalars scalars_of(const AdamWOptions& options, const OptimizedParameter& parameter, double lr, int64_t step) {
  const double t = static_cast<double>(step);
  const double decay = parameter.decays ? 1.0 - lr * options.weight_decay : 1.0;
  return {static_cast<float>(decay),
          static_cast<float>(1.0 - options.beta1),
          static_cast<float>(options.beta2),
          static_cast<float>(1.0 - options.beta2),
          static_cast<float>(lr / (1.0 - std::pow(options.beta1, t))),
          static_cast<float>(std::sqrt(1.0 - std::pow(options.beta2, t))),
          static_cast<float>(options.eps)};
}

}  // namespace

AdamW::AdamW(AdamWOptions options)
    : Optimizer("AdamW", {"exp_avg", "exp_avg_sq"}, true), options_(options), list_(std::make_unique<TensorList>()) {}

AdamW::~AdamW() = default;

void AdamW::make_state(const OptimizedParameter& parameter, ParameterState& state) {
  if (state.tensors[0].defined()) return;
  for (Tensor& tensor : state.tensors) tensor = zeros_like(parameter.value);
}

void AdamW::update(const OptimizedParameter& parameter, const Tensor& gradient, double lr, ParameterState& state) {
  make_state(parameter, state);
  launch(parameter.value.device(), parameter.value.numel(),
         AdamWElement{parameter.value.data<float>(), state.tensors[0].data<float>(), state.tensors[1].data<float>(),
                      gradient.data<const float>(), scalars_of(options_, parameter, lr, state.step)},
         4);
}

bool AdamW::update_at_once(std::span<const Update> updates, double gradient_factor) {
  const Device device = updates[0].parameter->value.device();
  if (device.is_cpu()) return false;
  AdamWList step{{}, static_cast<float>(gradient_factor), {}};
  size_t groups = 0;
  std::vector<ListedTensors> listed;
  for (const Update& update : updates) {
    const Tensor& value = update.parameter->value;
    const AdamWScalars scalars = scalars_of(options_, *update.parameter, update.lr, update.state->step);
    const auto group = static_cast<size_t>(std::find(step.groups, step.groups + groups, scalars) - step.groups);
    if (group == AdamWList::kMostGroups || value.device() != device) return false;
    if (group == groups) step.groups[groups++] = scalars;
    make_state(*update.parameter, *update.state);
    const auto pointer = [](const Tensor& tensor) { return static_cast<float*>(tensor.raw_data()); };
    listed.push_back({{pointer(value), pointer(update.state->tensors[0]), pointer(update.state->tensors[1]),
                       pointer(update.gradient)},
                      value.numel(),
                      static_cast<int32_t>(group)});
  }
  step.list = list_->place(listed, device);
  launch(device, list_->pieces() * TensorListView::kMembers, step);
  return true;
}

Hyperparameters AdamW::hyperparameters() const {
  return {{"betas", std::vector<double>{options_.beta1, options_.beta2}},
          {"eps", options_.eps},
          {"weight_decay", options_.weight_decay},
          {"amsgrad", false},
          {"maximize", false},
          {"foreach", std::monostate()},
          {"capturable", false},
          {"differentiable", false},
          {"fused", std::monostate()}};
}

}  // namespace bevgrad
