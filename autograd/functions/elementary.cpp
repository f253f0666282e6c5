#include "autograd/functions/elementary.h"

#include <cmath>
#include <numbers>

#include "autograd/functions/operators.h"
#include "autograd/functions/where.h"
#include "functions/internal/rule_ops.h"
#include "tensor/activation_functors.h"
#include "tensor/functors.h"
#include "tensor/pointwise.h"

namespace bevgrad {
namespace {

// backward(dy, x) is dy * slope(x); `slope` is made of differentiable functions.
template <class Forward, class Backward, class Slope>
Tensor of_input(const char* op, const Tensor& x, const Forward& forward, const Backward& backward, const Slope& slope) {
  const OpScope scope(op, {{"x", x}});
  return record(op, pointwise::map(op, x, forward, 8), {x},
                twice([op, x_ = Saved(x), backward, slope](const Tensor& dy, const NeedsGrad&) {
                  if (rule::is_recorded()) return Grads{dy * slope(rule::input(0, x_.get()))};
                  return Grads{pointwise::zip(op, dy, x_.get(), backward, 8)};
                }));
}

// The same from the result.
template <class Forward, class Backward, class Slope>
Tensor of_output(const char* op, const Tensor& x, const Forward& forward, const Backward& backward,
                 const Slope& slope) {
  const OpScope scope(op, {{"x", x}});
  Tensor y = pointwise::map(op, x, forward, 8);
  return record(op, y, {x}, twice([op, y_ = Saved(y), backward, slope](const Tensor& dy, const NeedsGrad&) {
                  if (rule::is_recorded()) return Grads{dy * slope(rule::result(y_.get()))};
                  return Grads{pointwise::zip(op, dy, y_.get(), backward)};
                }));
}

// f, of which elementary::circle(x, quarters) is the processor's float32 version as far as it reaches.
template <class F>
Tensor on_circle(const char* op, const Tensor& x, uint64_t quarters, const F& f) {
  if (x.dtype() == DType::Float16) return pointwise::narrowed(on_circle(op, pointwise::widened(x), quarters, f));
  if (!x.device().is_cpu() || x.dtype() == DType::Float64) return pointwise::map(op, x, f, 8);
  const Tensor y = empty_like(x), in = pointwise::aligned(x, y);
  const Walk walk = plan_walk(x.sizes(), {{y.sizes(), y.strides()}, {in.sizes(), in.strides()}});
  dispatch_floating(op, x.dtype(), [&]<class T>() {
    if constexpr (std::is_same_v<compute_t<T>, float>) {
      T* out = y.data<T>();
      const T* values = in.data<const T>();
      const auto row = [=](T* to, const T* from, auto step, int64_t n) {
        int beyond = 0;  // not a bool, which would keep the loop from becoming vector code
#pragma omp simd reduction(| : beyond)
        for (int64_t i = 0; i < n; ++i) {
          const float value = load(from, i * step);
          beyond |= std::abs(value) <= elementary::kCircleReach ? 0 : 1;
          store(to, i, elementary::circle(value, quarters));
        }
        for (int64_t i = 0; beyond && i < n; ++i)
          if (const float value = load(from, i * step); !(std::abs(value) <= elementary::kCircleReach))
            store(to, i, f(value));
      };
      for_each_row<2>(
          walk,
          [&](const std::array<int64_t, 2>& o, int64_t n) {
            if (walk.inner(1) == 1) return row(out + o[0], values + o[1], std::integral_constant<int64_t, 1>{}, n);
            row(out + o[0], values + o[1], walk.inner(1), n);
          },
          2);
    }
  });
  return y;
}

Tensor sine(const char* op, const Tensor& x) {
  return on_circle(op, x, 0, functors::Sin{});
}
Tensor cosine(const char* op, const Tensor& x) {
  return on_circle(op, x, 1, functors::Cos{});
}

// a to the power b, by squaring; of a negative b what is left of the fraction is its whole part.
template <class T>
struct IntegerPower {
  T* out;
  const T* a;
  const T* b;
  BEVGRAD_HD void operator()(const std::array<int64_t, 3>& o) const {
    const auto base = static_cast<int64_t>(a[o[1]]), exponent = static_cast<int64_t>(b[o[2]]);
    uint64_t result = 1;
    if (exponent >= 0) {
      uint64_t factor = static_cast<uint64_t>(base);
      for (auto rest = static_cast<uint64_t>(exponent); rest; rest >>= 1, factor *= factor)
        if (rest & 1) result *= factor;
    } else {
      result = base == 1 ? 1 : (base == -1 ? (exponent % 2 ? ~uint64_t{0} : 1) : 0);
    }
    out[o[0]] = static_cast<T>(result);
  }
};

Tensor integer_power(const Tensor& a, const Tensor& b) {
  const OpScope scope("pow");
  pointwise::check_same("pow", a, b);
  check(a.dtype() != DType::Bool, "pow: of bools; convert them to an integer");
  const Shape sizes = broadcast_shapes("pow", a.sizes(), b.sizes());
  const Tensor y = pointwise::result_for(sizes, {&a, &b});
  const Walk walk = plan_walk(sizes, {{sizes, y.strides()}, {a.sizes(), a.strides()}, {b.sizes(), b.strides()}});
  dispatch_all(a.dtype(), [&]<class T>() {
    if constexpr (std::is_integral_v<T>)
      launch_elements<3>(a.device(), walk, IntegerPower<T>{y.data<T>(), a.data<const T>(), b.data<const T>()}, 8);
  });
  return y;
}

// Those of functors::PowOfBase and PowOfExponent, with 1 for a 0 whose logarithm or quotient would not count.
Grads recorded_power_gradients(const Tensor& dy, const Tensor& a, const Tensor& b) {
  const Tensor one = full({}, 1.0, {a.dtype(), {}, a.device()}), zero = zeros({}, {a.dtype(), {}, a.device()});
  const Tensor of_base = where(eq(b, 0.0), zero, b * pow(a, b - 1.0));
  const Tensor of_exponent = pow(a, b) * log(where(eq(a, 0.0), one, a));
  return {dy * of_base, dy * of_exponent};
}

// The result is one of two; `share` is the first one's part of the gradient.
template <class Forward, class Share>
Tensor one_of(const char* op, const Tensor& a, const Tensor& b, const Forward& forward, const Share& share,
              Tensor (*prefers_first)(const Tensor&, const Tensor&)) {
  const OpScope scope(op, {{"a", a}, {"b", b}});
  if (!is_floating_point(a.dtype())) return where(prefers_first(a, b), a, b);
  return record(op, pointwise::zip(op, a, b, forward), {a, b},
                twice([op, a_ = Saved(a), b_ = Saved(b), share](const Tensor& dy, const NeedsGrad& needs) {
                  // The shares are constants between the kinks.
                  const Tensor a = detach(a_.get()), b = detach(b_.get());
                  Grads grads(2);
                  if (needs[0]) grads[0] = rule::mul(dy, pointwise::zip(op, a, b, share));
                  if (needs[1]) grads[1] = rule::mul(dy, pointwise::zip(op, b, a, share));
                  return grads;
                }));
}

}  // namespace

Tensor sin(const Tensor& x) {
  const OpScope scope("sin", {{"x", x}});
  return record("sin", sine("sin", x), {x}, twice([x_ = Saved(x)](const Tensor& dy, const NeedsGrad&) {
                  if (rule::is_recorded()) return Grads{dy * cos(rule::input(0, x_.get()))};
                  return Grads{ops::mul(dy, cosine("sin", x_.get()))};
                }));
}
Tensor cos(const Tensor& x) {
  const OpScope scope("cos", {{"x", x}});
  return record("cos", cosine("cos", x), {x}, twice([x_ = Saved(x)](const Tensor& dy, const NeedsGrad&) {
                  if (rule::is_recorded()) return Grads{-(dy * sin(rule::input(0, x_.get())))};
                  return Grads{pointwise::zip("cos", dy, sine("cos", x_.get()), functors::NegativeProduct{})};
                }));
}
Tensor erf(const Tensor& x) {
  return of_input("erf", x, functors::Erf{}, functors::ErfBackward{},
                  [](const Tensor& x) { return exp(-(x * x)) * (2 / std::sqrt(std::numbers::pi)); });
}
Tensor log1p(const Tensor& x) {
  return of_input("log1p", x, functors::Log1p{}, functors::Log1pBackward{},
                  [](const Tensor& x) { return 1.0 / (x + 1.0); });
}
Tensor expm1(const Tensor& x) {
  return of_output("expm1", x, functors::Expm1{}, functors::Expm1Backward{}, [](const Tensor& y) { return y + 1.0; });
}
Tensor rsqrt(const Tensor& x) {
  return of_output("rsqrt", x, functors::Rsqrt{}, functors::RsqrtBackward{},
                   [](const Tensor& y) { return y * y * y * -0.5; });
}
Tensor pow(const Tensor& x, double exponent) {
  tape::check_defined("pow", {{"x", x}});
  if (!is_floating_point(x.dtype())) {
    if (exponent != std::floor(exponent)) return pow(ops::to(x, DType::Float32), exponent);
    check(exponent >= 0 && exponent < 0x1p31, "pow: the exponent {} of integers {}, expected 0 to 2^31", exponent,
          describe(x));
    const Tensor wide = full({}, exponent, {DType::Int64, {}, x.device()});
    const DType dtype = x.dtype() == DType::Bool ? DType::Int64 : x.dtype();
    return ops::to(integer_power(ops::to(x, DType::Int64), wide), dtype);
  }
  if (exponent == 2)
    return of_input("pow", x, functors::Square{}, functors::SquareBackward{}, [](const Tensor& x) { return x * 2.0; });
  return of_input("pow", x, functors::PowScalar{exponent}, functors::PowScalarBackward{exponent},
                  [exponent](const Tensor& x) { return exponent == 0 ? x * 0.0 : pow(x, exponent - 1) * exponent; });
}

Tensor pow(const Tensor& a, const Tensor& b) {
  const OpScope scope("pow", {{"a", a}, {"b", b}});
  if (!is_floating_point(a.dtype())) return integer_power(a, b);
  return record("pow", pointwise::zip("pow", a, b, functors::Pow{}, 20), {a, b},
                twice([a_ = Saved(a), b_ = Saved(b)](const Tensor& dy, const NeedsGrad& needs) {
                  if (rule::is_recorded())
                    return recorded_power_gradients(dy, rule::input(0, a_.get()), rule::input(1, b_.get()));
                  Grads grads(2);
                  if (needs[0])
                    grads[0] = ops::mul(dy, pointwise::zip("pow", a_.get(), b_.get(), functors::PowOfBase{}, 20));
                  if (needs[1])
                    grads[1] = ops::mul(dy, pointwise::zip("pow", a_.get(), b_.get(), functors::PowOfExponent{}, 30));
                  return grads;
                }));
}

Tensor maximum(const Tensor& a, const Tensor& b) {
  return one_of("maximum", a, b, functors::Maximum{}, functors::MaximumShare{}, gt);
}
Tensor minimum(const Tensor& a, const Tensor& b) {
  return one_of("minimum", a, b, functors::Minimum{}, functors::MinimumShare{}, lt);
}

}  // namespace bevgrad
