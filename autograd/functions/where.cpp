#include "autograd/functions/where.h"

#include <cmath>

#include "autograd/anomaly.h"
#include "tensor/pointwise.h"

namespace bevgrad {
namespace {

template <class T>
struct Choose {
  T* out;
  const bool* condition;
  const T* a;
  const T* b;
  BEVGRAD_HD void operator()(const std::array<int64_t, 4>& o) const { out[o[0]] = condition[o[1]] ? a[o[2]] : b[o[3]]; }
};

Tensor choose(const char* op, const Tensor& condition, const Tensor& a, const Tensor& b) {
  pointwise::check_same(op, a, b);
  check(condition.dtype() == DType::Bool && condition.device() == a.device(), "{}: the mask is {}, expected bool on {}",
        op, describe(condition), to_string(a.device()));
  const Shape sizes = broadcast_shapes(op, condition.sizes(), broadcast_shapes(op, a.sizes(), b.sizes()));
  Tensor y = pointwise::result_for(sizes, {&a, &b});
  const Walk walk = plan_walk(sizes, {{y.sizes(), y.strides()},
                                      {condition.sizes(), condition.strides()},
                                      {a.sizes(), a.strides()},
                                      {b.sizes(), b.strides()}});
  dispatch_all(a.dtype(), [&]<class T>() {
    launch_elements<4>(a.device(), walk,
                       Choose<T>{y.data<T>(), condition.data<const bool>(), a.data<const T>(), b.data<const T>()});
  });
  return y;
}

Tensor number_like(const Tensor& x, double value) {
  return full({}, value, {x.dtype(), {}, x.device()});
}

}  // namespace

Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b) {
  const OpScope scope("where", {{"condition", condition}, {"a", a}, {"b", b}});
  return record("where", choose("where", condition, a, b), {a, b},
                [c_ = Saved(condition)](const Tensor& dy, const NeedsGrad& needs) {
                  const Tensor zero = number_like(dy, 0.0);
                  return Grads{needs[0] ? choose("where", c_.get(), dy, zero) : Tensor(),
                               needs[1] ? choose("where", c_.get(), zero, dy) : Tensor()};
                });
}

Tensor masked_fill(const Tensor& x, const Tensor& mask, double value) {
  const OpScope scope("masked_fill", {{"x", x}, {"mask", mask}});
  check(broadcast_shapes("masked_fill", x.sizes(), mask.sizes()) == x.sizes(),
        "masked_fill: the mask {} does not broadcast to {}", to_string(mask.sizes()), to_string(x.sizes()));
  check(is_floating_point(x.dtype()) || value == std::floor(value), "masked_fill: {} is no value of {}", value,
        name(x.dtype()));
  // An infinity that is asked for (to keep entries out of a softmax) is no anomaly.
  const AnomalyGuard anomaly(anomaly::is_on() && std::isfinite(value));
  return record("masked_fill", choose("masked_fill", mask, number_like(x, value), x), {x},
                [mask_ = Saved(mask)](const Tensor& dy, const NeedsGrad&) {
                  return Grads{choose("masked_fill", mask_.get(), number_like(dy, 0.0), dy)};
                });
}

}  // namespace bevgrad
