#include "autograd/functions/pointwise.h"

#include "autograd/functions/operators.h"
#include "functions/internal/rule_ops.h"
#include "tensor/functors.h"
#include "tensor/pointwise.h"

namespace bevgrad {

Tensor add(const Tensor& a, const Tensor& b) {
  const OpScope scope("add", {{"a", a}, {"b", b}});
  return record("add", ops::add(a, b), {a, b}, twice([](const Tensor& dy, const NeedsGrad&) { return Grads{dy, dy}; }));
}

Tensor sub(const Tensor& a, const Tensor& b) {
  const OpScope scope("sub", {{"a", a}, {"b", b}});
  return record("sub", ops::sub(a, b), {a, b}, twice([](const Tensor& dy, const NeedsGrad& needs) {
                  return Grads{dy, needs[1] ? rule::neg(dy) : Tensor()};
                }));
}

Tensor mul(const Tensor& a, const Tensor& b) {
  const OpScope scope("mul", {{"a", a}, {"b", b}});
  // Each factor is kept only for the other's gradient.
  return record("mul", ops::mul(a, b), {a, b},
                twice([a_ = Saved(requires_grad(b) ? a : Tensor()), b_ = Saved(requires_grad(a) ? b : Tensor())](
                          const Tensor& dy, const NeedsGrad& needs) {
                  return Grads{needs[0] ? rule::mul(dy, rule::input(1, b_.get())) : Tensor(),
                               needs[1] ? rule::mul(dy, rule::input(0, a_.get())) : Tensor()};
                }));
}

Tensor div(const Tensor& a, const Tensor& b) {
  const OpScope scope("div", {{"a", a}, {"b", b}});
  return record(
      "div", ops::div(a, b), {a, b},
      twice([a_ = Saved(requires_grad(b) ? a : Tensor()), b_ = Saved(b)](const Tensor& dy, const NeedsGrad& needs) {
        if (rule::is_recorded()) {
          const Tensor b = rule::input(1, b_.get()), da = dy / b;
          return Grads{da, needs[1] ? -(da * (rule::input(0, a_.get()) / b)) : Tensor()};
        }
        if (!needs[1]) return Grads{ops::div(dy, b_.get()), Tensor()};
        // In float32 at least, until a broadcast divisor's terms are added up: they may cancel.
        const DType dtype = dy.dtype() == DType::Float64 ? DType::Float64 : DType::Float32;
        const Tensor divisor = ops::to(b_.get(), dtype), da = ops::div(ops::to(dy, dtype), divisor);
        const Tensor db =
            pointwise::zip("div", da, ops::div(ops::to(a_.get(), dtype), divisor), functors::NegativeProduct{});
        return Grads{ops::to(da, dy.dtype()), ops::to(ops::sum_to(db, divisor.sizes()), dy.dtype())};
      }));
}

Tensor add(const Tensor& a, double b) {
  const OpScope scope("add", {{"a", a}});
  return record("add", ops::add(a, b), {a}, twice([](const Tensor& dy, const NeedsGrad&) { return Grads{dy}; }));
}

Tensor sub(const Tensor& a, double b) {
  return add(a, -b);
}

Tensor mul(const Tensor& a, double b) {
  const OpScope scope("mul", {{"a", a}});
  return record("mul", ops::mul(a, b), {a},
                twice([b](const Tensor& dy, const NeedsGrad&) { return Grads{rule::mul(dy, b)}; }));
}

Tensor div(const Tensor& a, double b) {
  const OpScope scope("div", {{"a", a}});
  return record("div", ops::div(a, b), {a},
                twice([b](const Tensor& dy, const NeedsGrad&) { return Grads{rule::div(dy, b)}; }));
}

Tensor neg(const Tensor& x) {
  const OpScope scope("neg", {{"x", x}});
  return record("neg", ops::neg(x), {x},
                twice([](const Tensor& dy, const NeedsGrad&) { return Grads{rule::neg(dy)}; }));
}

Tensor exp(const Tensor& x) {
  const OpScope scope("exp", {{"x", x}});
  Tensor y = ops::exp(x);
  return record("exp", y, {x}, twice([y_ = Saved(y)](const Tensor& dy, const NeedsGrad&) {
                  return Grads{rule::mul(dy, rule::result(y_.get()))};
                }));
}

Tensor log(const Tensor& x) {
  const OpScope scope("log", {{"x", x}});
  return record("log", ops::log(x), {x}, twice([x_ = Saved(x)](const Tensor& dy, const NeedsGrad&) {
                  return Grads{rule::div(dy, rule::input(0, x_.get()))};
                }));
}

Tensor sqrt(const Tensor& x) {
  const OpScope scope("sqrt", {{"x", x}});
  Tensor y = ops::sqrt(x);
  return record("sqrt", y, {x}, twice([y_ = Saved(y)](const Tensor& dy, const NeedsGrad&) {
                  if (rule::is_recorded()) return Grads{dy * 0.5 / rule::result(y_.get())};
                  return Grads{pointwise::zip("sqrt", dy, y_.get(), functors::SqrtBackward{})};
                }));
}

Tensor abs(const Tensor& x) {
  const OpScope scope("abs", {{"x", x}});
  return record("abs", ops::abs(x), {x}, twice([x_ = Saved(x)](const Tensor& dy, const NeedsGrad&) {
                  return Grads{rule::straight("abs", dy, x_.get(), functors::AbsBackward{})};
                }));
}

Tensor relu(const Tensor& x) {
  const OpScope scope("relu", {{"x", x}});
  Tensor y = ops::relu(x);
  return record("relu", y, {x}, twice([y_ = Saved(y)](const Tensor& dy, const NeedsGrad&) {
                  return Grads{rule::straight("relu", dy, y_.get(), functors::ReluBackward{})};
                }));
}

Tensor sigmoid(const Tensor& x) {
  const OpScope scope("sigmoid", {{"x", x}});
  Tensor y = ops::sigmoid(x);
  return record("sigmoid", y, {x}, twice([y_ = Saved(y)](const Tensor& dy, const NeedsGrad&) {
                  if (rule::is_recorded()) {
                    const Tensor y = rule::result(y_.get());
                    return Grads{dy * (y * (1.0 - y))};
                  }
                  return Grads{pointwise::zip("sigmoid", dy, y_.get(), functors::SigmoidBackward{})};
                }));
}

Tensor clamp(const Tensor& x, double low, double high) {
  const OpScope scope("clamp", {{"x", x}});
  return record("clamp", ops::clamp(x, low, high), {x},
                twice([x_ = Saved(x), low, high](const Tensor& dy, const NeedsGrad&) {
                  return Grads{rule::straight("clamp", dy, x_.get(), functors::ClampBackward{low, high})};
                }));
}

}  // namespace bevgrad
