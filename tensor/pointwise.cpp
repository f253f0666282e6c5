#include "tensor/pointwise.h"

#include <string>

#include "internal/integers.h"
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

Tensor widened(const Tensor& x) {
  return ops::to(x, DType::Float32);
}

Tensor narrowed(const Tensor& x) {
  return ops::to(x, DType::Float16);
}

void copy_values(const Tensor& target, const Tensor& source) {
  ops::copy_(target, source);
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

namespace {

// Integers with a number: as PyTorch promotes them, but that a whole number leaves the dtype as it is.
Tensor with_number(const Tensor& x, double number, Tensor (*operation)(const Tensor&, const Tensor&)) {
  const Tensor wide = integers::promoted(x, number);
  return operation(wide, integers::number_like(wide, number));
}

void update_integers(const char* op, const Tensor& target, const Tensor& result) {
  check(result.dtype() == target.dtype() && result.sizes() == target.sizes(), "{}: {} cannot hold {}", op,
        describe(target), describe(result));
  copy_(target, result);
}

}  // namespace

Tensor add(const Tensor& a, const Tensor& b) {
  if (integers::are(a)) return integers::add(a, b);
  return pointwise::zip("add", a, b, Add{});
}
Tensor sub(const Tensor& a, const Tensor& b) {
  if (integers::are(a)) return integers::sub(a, b);
  return pointwise::zip("sub", a, b, Sub{});
}
Tensor mul(const Tensor& a, const Tensor& b) {
  if (integers::are(a)) return integers::mul(a, b);
  return pointwise::zip("mul", a, b, Mul{});
}
Tensor div(const Tensor& a, const Tensor& b) {
  if (integers::are(a) && integers::are(b)) return div(to(a, DType::Float32), to(b, DType::Float32));
  return pointwise::zip("div", a, b, Div{});
}
Tensor add(const Tensor& a, double b) {
  if (integers::are(a)) return with_number(a, b, add);
  return pointwise::map("add", a, AddScalar{b});
}
Tensor sub(const Tensor& a, double b) {
  if (integers::are(a)) return with_number(a, b, sub);
  return pointwise::map("sub", a, AddScalar{-b});
}
Tensor mul(const Tensor& a, double b) {
  if (integers::are(a)) return with_number(a, b, mul);
  return pointwise::map("mul", a, MulScalar{b});
}
Tensor div(const Tensor& a, double b) {
  if (integers::are(a)) return div(to(a, DType::Float32), b);
  return pointwise::map("div", a, DivScalar{b});
}
Tensor neg(const Tensor& x) {
  if (integers::are(x)) return sub(integers::number_like(x, 0), x);
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
  if (integers::are(x)) return integers::abs(x);
  return pointwise::map("abs", x, Abs{});
}
Tensor relu(const Tensor& x) {
  return pointwise::map("relu", x, Relu{});
}
Tensor sigmoid(const Tensor& x) {
  return pointwise::map("sigmoid", x, Sigmoid{}, 4);
}

Tensor clamp(const Tensor& x, double low, double high) {
  if (integers::are(x)) return integers::clamp(x, low, high);
  return pointwise::map("clamp", x, Clamp{low, high});
}

void add_(const Tensor& target, const Tensor& source, double alpha) {
  if (integers::are(target))
    return update_integers("add_", target, add(target, alpha == 1 ? source : mul(source, alpha)));
  if (alpha == 1.0) {
    pointwise::update("add_", target, source, Add{});
  } else {
    pointwise::update("add_", target, source, AddScaled{alpha});
  }
}

void mul_(const Tensor& target, const Tensor& source) {
  if (integers::are(target)) return update_integers("mul_", target, mul(target, source));
  pointwise::update("mul_", target, source, Mul{});
}

void mul_(const Tensor& target, double factor) {
  if (integers::are(target)) return update_integers("mul_", target, mul(target, factor));
  pointwise::update("mul_", target, full({}, factor, {target.dtype(), {}, target.device()}), Mul{});
}

}  // namespace ops
}  // namespace bevgrad
