#include "autograd/functions/elementary.h"

#include <cmath>

#include "autograd/functions/where.h"
#include "tensor/activation_functors.h"
#include "tensor/pointwise.h"

namespace bevgrad {
namespace {

template <class Forward, class Backward>
Tensor of_input(const char* op, const Tensor& x, const Forward& forward, const Backward& backward) {
  const OpScope scope(op, {{"x", x}});
  return record(op, pointwise::map(op, x, forward, 8), {x},
                [op, x_ = Saved(x), backward](const Tensor& dy, const NeedsGrad&) {
                  return Grads{pointwise::zip(op, dy, x_.get(), backward, 8)};
                });
}

template <class Forward, class Backward>
Tensor of_output(const char* op, const Tensor& x, const Forward& forward, const Backward& backward) {
  const OpScope scope(op, {{"x", x}});
  Tensor y = pointwise::map(op, x, forward, 8);
  return record(op, y, {x}, [op, y_ = Saved(y), backward](const Tensor& dy, const NeedsGrad&) {
    return Grads{pointwise::zip(op, dy, y_.get(), backward)};
  });
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

// The result is one of two; `share` is the first one's part of the gradient.
template <class Forward, class Share>
Tensor one_of(const char* op, const Tensor& a, const Tensor& b, const Forward& forward, const Share& share,
              Tensor (*prefers_first)(const Tensor&, const Tensor&)) {
  const OpScope scope(op, {{"a", a}, {"b", b}});
  if (!is_floating_point(a.dtype())) return where(prefers_first(a, b), a, b);
  return record(op, pointwise::zip(op, a, b, forward), {a, b},
                [op, a_ = Saved(a), b_ = Saved(b), share](const Tensor& dy, const NeedsGrad& needs) {
                  Grads grads(2);
                  if (needs[0]) grads[0] = ops::mul(dy, pointwise::zip(op, a_.get(), b_.get(), share));
                  if (needs[1]) grads[1] = ops::mul(dy, pointwise::zip(op, b_.get(), a_.get(), share));
                  return grads;
                });
}

}  // namespace

Tensor sin(const Tensor& x) {
  return of_input("sin", x, functors::Sin{}, functors::SinBackward{});
}
Tensor cos(const Tensor& x) {
  return of_input("cos", x, functors::Cos{}, functors::CosBackward{});
}
Tensor erf(const Tensor& x) {
  return of_input("erf", x, functors::Erf{}, functors::ErfBackward{});
}
Tensor log1p(const Tensor& x) {
  return of_input("log1p", x, functors::Log1p{}, functors::Log1pBackward{});
}
Tensor expm1(const Tensor& x) {
  return of_output("expm1", x, functors::Expm1{}, functors::Expm1Backward{});
}
Tensor rsqrt(const Tensor& x) {
  return of_output("rsqrt", x, functors::Rsqrt{}, functors::RsqrtBackward{});
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
  return of_input("pow", x, functors::PowScalar{exponent}, functors::PowScalarBackward{exponent});
}

Tensor pow(const Tensor& a, const Tensor& b) {
  const OpScope scope("pow", {{"a", a}, {"b", b}});
  if (!is_floating_point(a.dtype())) return integer_power(a, b);
  return record("pow", pointwise::zip("pow", a, b, functors::Pow{}, 20), {a, b},
                [a_ = Saved(a), b_ = Saved(b)](const Tensor& dy, const NeedsGrad& needs) {
                  Grads grads(2);
                  if (needs[0])
                    grads[0] = ops::mul(dy, pointwise::zip("pow", a_.get(), b_.get(), functors::PowOfBase{}, 20));
                  if (needs[1])
                    grads[1] = ops::mul(dy, pointwise::zip("pow", a_.get(), b_.get(), functors::PowOfExponent{}, 30));
                  return grads;
                });
}

Tensor maximum(const Tensor& a, const Tensor& b) {
  return one_of("maximum", a, b, functors::Maximum{}, functors::MaximumShare{}, gt);
}
Tensor minimum(const Tensor& a, const Tensor& b) {
  return one_of("minimum", a, b, functors::Minimum{}, functors::MinimumShare{}, lt);
}

}  // namespace bevgrad
