#include "internal/weighted_total.h"

#include <algorithm>

#include "tensor/launch.h"

namespace bevgrad {
namespace {

constexpr size_t kMostTerms = 64;

struct WeightedTotal {
  float* total;
  int64_t count;
  const float* terms[kMostTerms];
  double weights[kMostTerms];

  BEVGRAD_HD void operator()(int64_t) const {
    double sum = 0;
    for (int64_t i = 0; i < count; ++i) sum += weights[i] * static_cast<double>(*terms[i]);
    *total = static_cast<float>(sum);
  }
};

struct TimesWeights {
  float* gradients;
  const float* dy;
  double weights[kMostTerms];

  BEVGRAD_HD void operator()(int64_t i) const {
    gradients[i] = static_cast<float>(weights[i] * static_cast<double>(*dy));
  }
};

}  // namespace

Tensor weighted_total_on_device(std::span<const Tensor> terms, std::span<const double> weights) {
  if (terms.empty() || terms.size() > kMostTerms || terms[0].device().is_cpu()) return {};
  const Device device = terms[0].device();
  WeightedTotal forward{nullptr, static_cast<int64_t>(terms.size()), {}, {}};
  TimesWeights back{nullptr, nullptr, {}};
  for (size_t i = 0; i < terms.size(); ++i) {
    if (terms[i].dtype() != DType::Float32 || terms[i].dim() != 0 || terms[i].device() != device) return {};
    forward.terms[i] = detach(terms[i]).data<const float>();
    forward.weights[i] = back.weights[i] = weights[i];
  }
  const Tensor total = empty({}, {DType::Float32, {}, device});
  forward.total = total.data<float>();
  launch(device, 1, forward);
  return record("weighted_total", total, {terms.begin(), terms.end()},
                [back, count = forward.count](const Tensor& dy, const NeedsGrad&) {
                  const Tensor gradients = empty({count}, {DType::Float32, {}, dy.device()});
                  TimesWeights times = back;
                  times.gradients = gradients.data<float>();
                  times.dy = dy.data<const float>();
                  launch(dy.device(), count, times);
                  Grads grads;
                  for (int64_t i = 0; i < count; ++i) grads.push_back(ops::select(gradients, 0, i));
                  return grads;
                });
}

}  // namespace bevgrad
