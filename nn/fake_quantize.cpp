#include "nn/fake_quantize.h"

#include "autograd/autograd.h"
#include "tensor/functors.h"
#include "tensor/integer_conv.h"
#include "tensor/pointwise.h"

namespace bevgrad {
namespace {

/// Half to even, of values far below 2^22.
template <class T>
BEVGRAD_HD T rounded(T x) {
  constexpr T kShift = sizeof(T) == 4 ? T(12582912.0) : T(6755399441055744.0);  // 1.5 * 2^23 and 2^52
  return (x + kShift) - kShift;
}

struct RoundToSteps {
  double step, least, most;
  template <class T>
  BEVGRAD_HD T operator()(T x) const {
    const T steps = x * static_cast<T>(1 / step), low = static_cast<T>(least), high = static_cast<T>(most);
    return (steps < low ? low : steps > high ? high : rounded(steps)) * static_cast<T>(step);
  }
};

struct RoundWeight {
  template <class T>
  BEVGRAD_HD T operator()(T x, T step) const {
    return step > T(0) ? rounded(x / step) * step : x;
  }
};

}  // namespace

Tensor fake_quantize(const Tensor& x, const ActivationRange& range) {
  const OpScope scope("fake_quantize", {{"x", x}});
  const double step = byte_step(range.limit, range.is_signed), low = range.is_signed ? -range.limit : 0;
  return record("fake_quantize",
                pointwise::map("fake_quantize", x,
                               RoundToSteps{step, range.is_signed ? -127.0 : 0.0, range.is_signed ? 127.0 : 255.0}),
                {x}, [x_ = Saved(x), low, high = range.limit](const Tensor& dy, const NeedsGrad&) {
                  return Grads{pointwise::zip("fake_quantize", dy, x_.get(), functors::ClampBackward{low, high})};
                });
}

Tensor fake_quantize_weight(const Tensor& weight) {
  const OpScope scope("fake_quantize_weight", {{"weight", weight}});
  const int64_t outputs = weight.size(0);
  Shape each(static_cast<size_t>(weight.dim()), 1);
  each[0] = outputs;
  const Tensor largest = ops::max(ops::abs(ops::reshape(weight, {outputs, weight.numel() / outputs})), 1);
  const Tensor step = ops::reshape(ops::div(largest, 127), each);
  return record("fake_quantize_weight", pointwise::zip("fake_quantize_weight", weight, step, RoundWeight{}), {weight},
                [](const Tensor& dy, const NeedsGrad&) { return Grads{dy}; });
}

}  // namespace bevgrad
