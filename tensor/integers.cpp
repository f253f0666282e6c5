#include "internal/integers.h"

#include <cmath>
#include <cstdint>
#include <limits>

#include "tensor/compare.h"
#include "tensor/ops.h"
#include "tensor/pointwise.h"

namespace bevgrad::integers {
namespace {

template <class F>
void dispatch(std::string_view op, DType dtype, const F& f) {
  switch (dtype) {
    case DType::Int64:
      return f.template operator()<int64_t>();
    case DType::Int32:
      return f.template operator()<int32_t>();
    case DType::Int16:
      return f.template operator()<int16_t>();
    case DType::Int8:
      return f.template operator()<int8_t>();
    case DType::UInt8:
      return f.template operator()<uint8_t>();
    case DType::Bool:
      return f.template operator()<bool>();
    default:
      fail("{}: {} is no integer", op, name(dtype));
  }
}

// On 64 bits without a sign, where overflow is defined.
struct Add {
  BEVGRAD_HD uint64_t operator()(uint64_t a, uint64_t b) const { return a + b; }
};
struct Sub {
  BEVGRAD_HD uint64_t operator()(uint64_t a, uint64_t b) const { return a - b; }
};
struct Mul {
  BEVGRAD_HD uint64_t operator()(uint64_t a, uint64_t b) const { return a * b; }
};

template <class T, class F>
struct Element {
  T* out;
  const T* a;
  const T* b;
  F f;
  BEVGRAD_HD void operator()(const std::array<int64_t, 3>& o) const {
    out[o[0]] = static_cast<T>(f(static_cast<uint64_t>(a[o[1]]), static_cast<uint64_t>(b[o[2]])));
  }
};

template <class F>
Tensor zip(std::string_view op, const Tensor& a, const Tensor& b, const F& f) {
  const tape::PlainOp scope(op, {{"a", a}, {"b", b}});
  pointwise::check_same(op, a, b);
  const Shape sizes = broadcast_shapes(std::string(op).c_str(), a.sizes(), b.sizes());
  const Tensor result = pointwise::result_for(sizes, {&a, &b});
  const Walk walk = plan_walk(sizes, {{sizes, result.strides()}, {a.sizes(), a.strides()}, {b.sizes(), b.strides()}});
  dispatch(op, a.dtype(), [&]<class T>() {
    launch_elements<3>(a.device(), walk, Element<T, F>{result.data<T>(), a.data<const T>(), b.data<const T>(), f});
  });
  return result;
}

template <class T>
struct Clamp {
  T* out;
  const T* x;
  T low, high;
  BEVGRAD_HD void operator()(const std::array<int64_t, 2>& o) const {
    const T raised = x[o[1]] < low ? low : x[o[1]];
    out[o[0]] = raised > high ? high : raised;
  }
};

// The value of T that is nearest to a number.
template <class T>
T nearest(double number) {
  if (number <= static_cast<double>(std::numeric_limits<T>::lowest())) return std::numeric_limits<T>::lowest();
  if (number >= static_cast<double>(std::numeric_limits<T>::max())) return std::numeric_limits<T>::max();
  return static_cast<T>(number);
}

}  // namespace

bool are(const Tensor& x) {
  return x.defined() && !is_floating_point(x.dtype());
}

Tensor add(const Tensor& a, const Tensor& b) {
  return zip("add", a, b, Add{});
}

Tensor sub(const Tensor& a, const Tensor& b) {
  check(a.dtype() != DType::Bool, "sub: of bools; logical_not and logical_and say what is meant");
  return zip("sub", a, b, Sub{});
}

Tensor mul(const Tensor& a, const Tensor& b) {
  return zip("mul", a, b, Mul{});
}

Tensor abs(const Tensor& x) {
  if (x.dtype() == DType::Bool || x.dtype() == DType::UInt8) return ops::clone(x);
  // The sign is a product's factor: 1 or -1.
  const Tensor negative = ops::to(lt(x, 0), x.dtype());
  return mul(x, sub(number_like(x, 1), mul(negative, number_like(x, 2))));
}

Tensor clamp(const Tensor& x, double low, double high) {
  const tape::PlainOp scope("clamp", {{"x", x}});
  if (low != std::floor(low) || high != std::floor(high)) return ops::clamp(ops::to(x, DType::Float32), low, high);
  const Tensor in = x.dtype() == DType::Bool ? ops::to(x, DType::Int64) : x;
  const Tensor result = empty_like(in);
  const Walk walk = plan_walk(in.sizes(), {{in.sizes(), result.strides()}, {in.sizes(), in.strides()}});
  dispatch("clamp", in.dtype(), [&]<class T>() {
    launch_elements<2>(in.device(), walk,
                       Clamp<T>{result.data<T>(), in.data<const T>(), nearest<T>(low), nearest<T>(high)});
  });
  return result;
}

Tensor promoted(const Tensor& x, double number) {
  if (number != std::floor(number)) return ops::to(x, DType::Float32);
  return x.dtype() == DType::Bool ? ops::to(x, DType::Int64) : x;
}

Tensor number_like(const Tensor& x, double number) {
  return full({}, number, {x.dtype(), {}, x.device()});
}

}  // namespace bevgrad::integers
