#include "autograd/functions/where.h"

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "autograd/anomaly.h"
#include "functions/internal/rule_ops.h"
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

// Constant strides let the compiler use vector instructions.
template <class T, class SA, class SB>
void choose_row(T* out, const bool* condition, const T* a, SA step_a, const T* b, SB step_b, int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) out[i] = condition[i] ? a[i * step_a] : b[i * step_b];
}

template <class T>
void choose_on_host(const Walk& walk, const Choose<T>& f) {
  using One = std::integral_constant<int64_t, 1>;
  using Zero = std::integral_constant<int64_t, 0>;
  const int64_t step_a = walk.inner(2), step_b = walk.inner(3);
  const bool dense = walk.inner(0) == 1 && walk.inner(1) == 1 && std::max(step_a, step_b) <= 1;
  if (!dense) return launch_elements<4>(Device{}, walk, f);
  for_each_row<4>(walk, [&](const std::array<int64_t, 4>& o, int64_t n) {
    const auto run = [&](auto sa, auto sb) {
      choose_row(f.out + o[0], f.condition + o[1], f.a + o[2], sa, f.b + o[3], sb, n);
    };
    const auto with_a = [&](auto sa) { step_b ? run(sa, One{}) : run(sa, Zero{}); };
    step_a ? with_a(One{}) : with_a(Zero{});
  });
}

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
    const Choose<T> f{y.data<T>(), condition.data<const bool>(), a.data<const T>(), b.data<const T>()};
    if (a.device().is_cpu()) return choose_on_host(walk, f);
    launch_elements<4>(a.device(), walk, f);
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
                twice([c_ = Saved(condition)](const Tensor& dy, const NeedsGrad& needs) {
                  const Tensor zero = number_like(dy, 0.0);
                  const auto either = [&](const Tensor& a, const Tensor& b) {
                    return rule::is_recorded() ? where(c_.get(), a, b) : choose("where", c_.get(), a, b);
                  };
                  return Grads{needs[0] ? either(dy, zero) : Tensor(), needs[1] ? either(zero, dy) : Tensor()};
                }));
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
                twice([mask_ = Saved(mask)](const Tensor& dy, const NeedsGrad&) {
                  if (rule::is_recorded()) return Grads{masked_fill(dy, mask_.get(), 0.0)};
                  return Grads{choose("masked_fill", mask_.get(), number_like(dy, 0.0), dy)};
                }));
}

}  // namespace bevgrad
