#include "tensor/pointwise.h"

#include <string>

#include "tensor/functors.h"
#include "tensor/ops.h"

namespace bevgrad {
namespace pointwise {

void check_same(std::string_view op, const Tensor& a, const Tensor& b) {
  // Not check(): describing what is right would cost more than a small operation.
  if (a.dtype() != b.dtype() || a.device() != b.device())
    fail("{}: inputs are {} and {}, expected one dtype and device", op, describe(a), describe(b));
}

Tensor result_for(const Shape& sizes, std::initializer_list<const Tensor*> inputs) {
  for (const Tensor* input : inputs)
    if (input->sizes() == sizes) return empty(sizes, {input->dtype(), input->suggested_format(), input->device()});
  // Every input broadcasts: channels-last where one of them is.
  MemoryFormat format = MemoryFormat::Contiguous;
  for (const Tensor* input : inputs)
    if (input->suggested_format() == MemoryFormat::ChannelsLast) format = MemoryFormat::ChannelsLast;
  return empty(sizes, {(*inputs.begin())->dtype(), format, (*inputs.begin())->device()});
}

Tensor aligned(const Tensor& x, const Tensor& result) {
  constexpr int64_t kWorthCopying = 4096;
  if (x.numel() < kWorthCopying || x.sizes() != result.sizes()) return x;
  const Walk walk = plan_walk(result.sizes(), {{result.sizes(), result.strides()}, {x.sizes(), x.strides()}});
  if (walk.inner(1) <= 1) return x;
  return ops::contiguous(x, result.suggested_format());
}

}  // namespace pointwise

namespace ops {

using namespace functors;

Tensor add(const Tensor& a, const Tensor& b) {
  return pointwise::zip("add", a, b, Add{});
}
Tensor sub(const Tensor& a, const Tensor& b) {
  return pointwise::zip("sub", a, b, Sub{});
}
Tensor mul(const Tensor& a, const Tensor& b) {
  return pointwise::zip("mul", a, b, Mul{});
}
Tensor div(const Tensor& a, const Tensor& b) {
  return pointwise::zip("div", a, b, Div{});
}
Tensor add(const Tensor& a, double b) {
  return pointwise::map("add", a, AddScalar{b});
}
Tensor sub(const Tensor& a, double b) {
  return pointwise::map("sub", a, AddScalar{-b});
}
Tensor mul(const Tensor& a, double b) {
  return pointwise::map("mul", a, MulScalar{b});
}
Tensor div(const Tensor& a, double b) {
  return pointwise::map("div", a, DivScalar{b});
}
Tensor neg(const Tensor& x) {
  return pointwise::map("neg", x, Neg{});
}
Tensor exp(const Tensor& x) {
  return pointwise::map("exp", x, Exp{}, 4);
}
Tensor log(const Tensor& x) {
  return pointwise::map("log", x, Log{}, 4);
}
Tensor sqrt(const Tensor& x) {
  return pointwise::map("sqrt", x, Sqrt{});
}
Tensor abs(const Tensor& x) {
  return pointwise::map("abs", x, Abs{});
}
Tensor relu(const Tensor& x) {
  return pointwise::map("relu", x, Relu{});
}
Tensor sigmoid(const Tensor& x) {
  return pointwise::map("sigmoid", x, Sigmoid{}, 4);
}

Tensor clamp(const Tensor& x, double low, double high) {
  check(low <= high, "clamp: the bounds {} and {} are not in order", low, high);
  return pointwise::map("clamp", x, Clamp{low, high});
}

void add_(const Tensor& target, const Tensor& source, double alpha) {
  if (alpha == 1.0) {
    pointwise::update("add_", target, source, Add{});
  } else {
    pointwise::update("add_", target, source, AddScaled{alpha});
  }
}

void mul_(const Tensor& target, const Tensor& source) {
  pointwise::update("mul_", target, source, Mul{});
}

void mul_(const Tensor& target, double factor) {
  pointwise::update("mul_", target, full({}, factor, {target.dtype(), {}, target.device()}), Mul{});
}

}  // namespace ops
}  // namespace bevgrad
