#include "optim/adamw.h"

#include <algorithm>

#include "internal/adam_scalars.h"
#include "internal/adam_step.h"
#include "internal/tensor_list.h"
#include "tensor/launch.h"

namespace bevgrad {
namespace {

/// A step of many parameters: `data` is value, exp_avg, exp_avg_sq and gradient.
struct AdamWList {
  static constexpr size_t kMostGroups = 64;
  TensorListView list;
  float gradient_factor;
  AdamScalars groups[kMostGroups];

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

}  // namespace

AdamW::AdamW(AdamWOptions options)
    : Optimizer("AdamW", {"exp_avg", "exp_avg_sq"}, true), options_(options), list_(std::make_unique<TensorList>()) {}

AdamW::~AdamW() = default;

AdamStep AdamW::step_of(const OptimizedParameter& parameter, double lr, int64_t step) const {
  return {.lr = lr,
          .beta1 = options_.beta1,
          .beta2 = options_.beta2,
          .eps = options_.eps,
          .decoupled_decay = parameter.decays ? options_.weight_decay : 0,
          .step = step};
}

void AdamW::update(const OptimizedParameter& parameter, const Tensor& gradient, double lr, ParameterState& state) {
  adam_step(step_of(parameter, lr, state.step), parameter.value, gradient, state.tensors[0], state.tensors[1]);
}

bool AdamW::update_at_once(std::span<const Update> updates, double gradient_factor) {
  const Device device = updates[0].parameter->value.device();
  if (device.is_cpu()) return false;
  AdamWList step{{}, static_cast<float>(gradient_factor), {}};
  size_t groups = 0;
  std::vector<ListedTensors> listed;
  for (const Update& update : updates) {
    const Tensor& value = update.parameter->value;
    const AdamScalars scalars = scalars_of(step_of(*update.parameter, update.lr, update.state->step));
    const auto group = static_cast<size_t>(std::find(step.groups, step.groups + groups, scalars) - step.groups);
    if (group == AdamWList::kMostGroups || value.device() != device) return false;
    if (group == groups) step.groups[groups++] = scalars;
    std::vector<Tensor>& averages = update.state->tensors;
    if (!averages[0].defined()) averages = {zeros_like(value), zeros_like(value)};
    const auto pointer = [](const Tensor& tensor) { return static_cast<float*>(tensor.raw_data()); };
    listed.push_back({{pointer(value), pointer(averages[0]), pointer(averages[1]), pointer(update.gradient)},
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
