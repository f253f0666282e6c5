#include "optim/clip_grad_norm.h"

#include <algorithm>
#include <cmath>

#include "autograd/autograd.h"
#include "tensor/element.h"
#include "tensor/host_device.h"
#include "tensor/launch.h"
#include "tensor/ops.h"

namespace bevgrad {
namespace {

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
