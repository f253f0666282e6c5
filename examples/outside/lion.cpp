#include "lion.h"

#include "lab.pb.h"

namespace lab {

using namespace bevgrad;

namespace {

/// One element of a step.
struct LionElement {
  float* value;
  float* exp_avg;
  const float* gradient;
  float beta1, beta2, lr, decay;

  void operator()(int64_t i) const {
    const float g = gradient[i], m = exp_avg[i];
    const float direction = beta1 * m + (1 - beta1) * g;
    const float sign = direction > 0 ? 1.0f : direction < 0 ? -1.0f : 0.0f;
    value[i] = value[i] * decay - lr * sign;
    exp_avg[i] = beta2 * m + (1 - beta2) * g;
  }
};

class LionOptimizer : public Optimizer {
 public:
  LionOptimizer(double beta1, double beta2, double weight_decay)
      : Optimizer("Lion", {"exp_avg"}, false), beta1_(beta1), beta2_(beta2), weight_decay_(weight_decay) {}

  Hyperparameters hyperparameters() const override {
    return {{"betas", std::vector<double>{beta1_, beta2_}}, {"weight_decay", weight_decay_}};
  }

 private:
  void update(const OptimizedParameter& parameter, const Tensor& gradient, double lr, ParameterState& state) override {
    Tensor& exp_avg = state.tensors[0];
    if (!exp_avg.defined()) exp_avg = zeros_like(parameter.value);
    const double decay = parameter.decays ? 1 - lr * weight_decay_ : 1;
    const LionElement element{parameter.value.data<float>(), exp_avg.data<float>(),      gradient.data<float>(),
                              static_cast<float>(beta1_),    static_cast<float>(beta2_), static_cast<float>(lr),
                              static_cast<float>(decay)};
    launch(parameter.value.device(), parameter.value.numel(), element, 2);
  }

  double beta1_, beta2_, weight_decay_;
};

}  // namespace

OptimizerKind lion() {
  return {.name = "Lion",
          .make = [](const config::Train& train) -> std::unique_ptr<Optimizer> {
            const Lion& options = train.GetExtension(lab::lion_options);
            return std::make_unique<LionOptimizer>(options.beta1(), options.beta2(), train.weight_decay());
          },
          .judge =
              [](const configs::Judge& judge, const config::Config& proto) {
                const Lion& options = proto.train().GetExtension(lab::lion_options);
                judge.within("train.[lab.lion_options].beta1", options.beta1(), 0.0, 1.0);
                judge.within("train.[lab.lion_options].beta2", options.beta2(), 0.0, 1.0);
              }};
}

}  // namespace lab
