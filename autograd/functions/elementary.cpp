#include "autograd/functions/elementary.h"

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

// The result is one of two; `share` is the first one's part of the gradient.
template <class Forward, class Share>
Tensor one_of(const char* op, const Tensor& a, const Tensor& b, const Forward& forward, const Share& share) {
  const OpScope scope(op, {{"a", a}, {"b", b}});
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
  return of_input("pow", x, functors::PowScalar{exponent}, functors::PowScalarBackward{exponent});
}

Tensor pow(const Tensor& a, const Tensor& b) {
  const OpScope scope("pow", {{"a", a}, {"b", b}});
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
  return one_of("maximum", a, b, functors::Maximum{}, functors::MaximumShare{});
}
Tensor minimum(const Tensor& a, const Tensor& b) {
  return one_of("minimum", a, b, functors::Minimum{}, functors::MinimumShare{});
}

}  // namespace bevgrad
