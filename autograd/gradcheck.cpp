#include "autograd/gradcheck.h"

#include <algorithm>
#include <cmath>

#include "tensor/random.h"

namespace bevgrad {
namespace {

// A leaf of its own memory with the values and, for a strided input, the layout class of `x`.
Tensor leaf_like(const Tensor& x) {
  // Every element in a place of its own, so that a central difference moves just one.
  if (x.is_contiguous(x.suggested_format())) return ops::clone(x);
  // A transposed or sliced input stays one: copy the span of storage that it covers.
  int64_t span = 1;
  for (int d = 0; d < x.dim(); ++d) {
    if (x.size(d) > 1 && x.stride(d) == 0) return ops::clone(x);
    span += (x.size(d) - 1) * x.stride(d);
  }
  const Tensor memory(x.storage(), x.offset(), {span}, {1}, x.dtype());
  const Tensor copy = ops::clone(memory);
  return Tensor(copy.storage(), 0, x.sizes(), x.strides(), x.dtype());
}

double dot(const Tensor& a, const Tensor& b) {
  return ops::sum(ops::mul(a, b)).item();
}

// Element i (logical order) as a tensor that shares its memory.
Tensor element_of(const Tensor& x, int64_t i) {
  int64_t offset = x.offset();
  for (int d = x.dim(); d-- > 0;) {
    offset += i % x.size(d) * x.stride(d);
    i /= x.size(d);
  }
  return Tensor(x.storage(), offset, {}, {}, x.dtype());
}

std::string index_text(const Tensor& x, int64_t i) {
  Shape index(x.sizes().size());
  for (int d = x.dim(); d-- > 0;) {
    index[d] = i % x.size(d);
    i /= x.size(d);
  }
  return to_string(index);
}

}  // namespace

std::string gradcheck(const std::string& op, const std::function<Tensor(const std::vector<Tensor>&)>& function,
                      const std::vector<Tensor>& inputs, const GradcheckOptions& options) {
  std::vector<Tensor> leaves;
  std::vector<bool> checked(inputs.size());
  bool any = false;
  for (const Tensor& input : inputs) any = any || requires_grad(input);
  for (size_t k = 0; k < inputs.size(); ++k) {
    const Tensor& input = inputs[k];
    checked[k] = input.defined() && input.dtype() == DType::Float64 && (!any || requires_grad(input));
    leaves.push_back(checked[k] && input.numel() > 0 ? leaf_like(input) : input);
    if (checked[k]) set_requires_grad(leaves.back(), true);
  }

  const Tensor y = function(leaves);
  if (y.dtype() != DType::Float64) return fmt::format("{}: the output is {}, expected float64", op, describe(y));
  if (!requires_grad(y)) return fmt::format("{}: the output does not require a gradient", op);
  const Tensor direction = ops::to(Generator(options.seed).uniform(y.sizes(), -1.0, 1.0, {DType::Float64}), y.device());
  backward(y, direction);

  NoGradGuard no_grad;
  for (size_t k = 0; k < leaves.size(); ++k) {
    if (!checked[k]) continue;
    const Tensor& x = leaves[k];
    const Tensor dx = grad(x);
    if (!dx.defined()) return fmt::format("{}: input {} got no gradient", op, k);
    if (dx.sizes() != x.sizes() || dx.dtype() != x.dtype())
      return fmt::format("{}: the gradient of input {} is {}, expected {}", op, k, describe(dx), describe(x));
    const std::vector<double> analytic = dx.to_vector(), values = x.to_vector();
    const int64_t apart = options.most_elements > 0 ? std::max<int64_t>(1, x.numel() / options.most_elements) : 1;
    for (int64_t i = 0; i < x.numel(); i += apart) {
      const Tensor element = element_of(x, i);
      ops::fill_(element, values[i] + options.step);
      const double above = dot(function(leaves), direction);
      ops::fill_(element, values[i] - options.step);
      const double below = dot(function(leaves), direction);
      ops::fill_(element, values[i]);
      const double numeric = (above - below) / (2 * options.step);
      const double tolerance = options.absolute_tolerance + options.relative_tolerance * std::abs(numeric);
      if (!(std::abs(analytic[i] - numeric) <= tolerance))
        return fmt::format("{}: gradient of input {} at {}: analytic {:.10g}, numeric {:.10g}", op, k, index_text(x, i),
                           analytic[i], numeric);
    }
  }
  return "";
}

}  // namespace bevgrad
