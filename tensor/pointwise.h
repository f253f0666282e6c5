// Per-element operations from functors: the functor is the single source, the loop belongs to the device.
//
// A functor is a small struct with `template <class T> T operator()(T a, ...) const`, marked BEVGRAD_HD, where T is
// float (for float32 and the 16-bit types) or double. Inputs broadcast; they share dtype and device.
#pragma once
#include <string_view>
#include <type_traits>

#include "tensor/element.h"
#include "tensor/host_device.h"
#include "tensor/tape.h"
#include "tensor/walk.h"

namespace bevgrad::pointwise {

/// Checks that inputs share dtype and device.
void check_same(std::string_view op, const Tensor& a, const Tensor& b);
/// Uninitialised result of `sizes`; laid out as the first input that has those sizes.
Tensor result_for(const Shape& sizes, std::initializer_list<const Tensor*> inputs);
/// float16 is computed in float32: there and back.
Tensor widened(const Tensor& x);
Tensor narrowed(const Tensor& x);
void copy_values(const Tensor& target, const Tensor& source);
/// `x`, or a copy of it in the layout of `result` where walking both together would jump through memory.
Tensor aligned(const Tensor& x, const Tensor& result);

namespace detail {

// Rows of one or two inputs; constant strides of 1 and 0, a functor in registers and no call left in the loop let the
// compiler use vector instructions.
template <class T, class F, class S1>
[[gnu::flatten]] void row(T* out, const T* a, S1 sa, int64_t n, F f) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) store(out, i, f(load(a, i * sa)));
}

template <class T, class F, class S1, class S2>
[[gnu::flatten]] void row(T* out, const T* a, S1 sa, const T* b, S2 sb, int64_t n, F f) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) store(out, i, f(load(a, i * sa), load(b, i * sb)));
}

using One = std::integral_constant<int64_t, 1>;
using Zero = std::integral_constant<int64_t, 0>;

template <class T, class F>
void strided_row(T* out, int64_t so, const T* a, int64_t sa, const T* b, int64_t sb, int64_t n, const F& f) {
  using C = compute_t<T>;
  for (int64_t i = 0; i < n; ++i) out[i * so] = static_cast<T>(f(static_cast<C>(a[i * sa]), static_cast<C>(b[i * sb])));
}

// One element on a device that runs an index a thread.
template <class T, class F>
struct MapElement {
  T* out;
  const T* a;
  F f;
  BEVGRAD_HD void operator()(const std::array<int64_t, 2>& o) const { store(out, o[0], f(load(a, o[1]))); }
};
template <class T, class F>
struct ZipElement {
  T* out;
  const T* a;
  const T* b;
  F f;
  BEVGRAD_HD void operator()(const std::array<int64_t, 3>& o) const {
    store(out, o[0], f(load(a, o[1]), load(b, o[2])));
  }
};
template <class T, class F>
struct UpdateElement {
  T* out;
  const T* b;
  F f;
  BEVGRAD_HD void operator()(const std::array<int64_t, 2>& o) const {
    store(out, o[0], f(load(out, o[0]), load(b, o[1])));
  }
};

template <int N, class F>
void queue(Device device, const Walk& walk, const F& f) {
  launch(device, walk.count, WalkElement<N, F>{walk, f});
}

}  // namespace detail

/// result[i] = f(x[i]). `cost`: rough nanoseconds of one element.
template <class F>
Tensor map(std::string_view op, const Tensor& x, const F& f, int64_t cost = 1) {
  const tape::PlainOp scope(op, {{"x", x}});
  if (x.dtype() == DType::Float16) return narrowed(map(op, widened(x), f, cost));
  Tensor result = empty_like(x);
  const Tensor in = aligned(x, result);
  dispatch_floating(op, x.dtype(), [&]<class T>() {
    const Walk walk = plan_walk(x.sizes(), {{result.sizes(), result.strides()}, {in.sizes(), in.strides()}});
    T* out = result.data<T>();
    const T* a = in.data<T>();
    if (!x.device().is_cpu()) return detail::queue<2>(x.device(), walk, detail::MapElement<T, F>{out, a, f});
    const int64_t sa = walk.inner(1);
    for_each_row<2>(
        walk,
        [&](const std::array<int64_t, 2>& o, int64_t n) {
          if (sa == 1) {
            detail::row(out + o[0], a + o[1], detail::One{}, n, f);
          } else {
            detail::row(out + o[0], a + o[1], sa, n, f);
          }
        },
        cost);
  });
  return result;
}

/// result[i] = f(a[i], b[i]), broadcast.
template <class F>
Tensor zip(std::string_view op, const Tensor& a, const Tensor& b, const F& f, int64_t cost = 1) {
  const tape::PlainOp scope(op, {{"a", a}, {"b", b}});
  check_same(op, a, b);
  if (a.dtype() == DType::Float16) return narrowed(zip(op, widened(a), widened(b), f, cost));
  const Shape sizes = broadcast_shapes(std::string(op).c_str(), a.sizes(), b.sizes());
  Tensor result = result_for(sizes, {&a, &b});
  const Tensor x = aligned(a, result), y = aligned(b, result);
  dispatch_floating(op, a.dtype(), [&]<class T>() {
    const Walk walk =
        plan_walk(sizes, {{result.sizes(), result.strides()}, {x.sizes(), x.strides()}, {y.sizes(), y.strides()}});
    T* out = result.data<T>();
    const T* px = x.data<T>();
    const T* py = y.data<T>();
    if (!a.device().is_cpu()) return detail::queue<3>(a.device(), walk, detail::ZipElement<T, F>{out, px, py, f});
    const int64_t sx = walk.inner(1), sy = walk.inner(2);
    for_each_row<3>(
        walk,
        [&](const std::array<int64_t, 3>& o, int64_t n) {
          using detail::One, detail::Zero;
          if (sx == 1 && sy == 1) {
            detail::row(out + o[0], px + o[1], One{}, py + o[2], One{}, n, f);
          } else if (sx == 1 && sy == 0) {
            detail::row(out + o[0], px + o[1], One{}, py + o[2], Zero{}, n, f);
          } else if (sx == 0 && sy == 1) {
            detail::row(out + o[0], px + o[1], Zero{}, py + o[2], One{}, n, f);
          } else {
            detail::strided_row(out + o[0], 1, px + o[1], sx, py + o[2], sy, n, f);
          }
        },
        cost);
  });
  return result;
}

/// target[i] = f(target[i], source[i]) in place; the source broadcasts to the target.
template <class F>
void update(std::string_view op, const Tensor& target, const Tensor& source, const F& f) {
  const tape::PlainOp scope(op, {{"target", target}, {"source", source}});
  check_same(op, target, source);
  check(broadcast_shapes(std::string(op).c_str(), target.sizes(), source.sizes()) == target.sizes(),
        "{}: source {} does not broadcast to target {}", op, to_string(source.sizes()), to_string(target.sizes()));
  target.note_write();
  if (target.dtype() == DType::Float16) {
    const Tensor wide = widened(target);
    update(op, wide, widened(source), f);
    return copy_values(target, wide);
  }
  const Tensor y = aligned(source, target);
  dispatch_floating(op, target.dtype(), [&]<class T>() {
    const Walk walk = plan_walk(target.sizes(), {{target.sizes(), target.strides()}, {y.sizes(), y.strides()}});
    T* out = target.data<T>();
    const T* py = y.data<T>();
    if (!target.device().is_cpu())
      return detail::queue<2>(target.device(), walk, detail::UpdateElement<T, F>{out, py, f});
    const int64_t so = walk.inner(0), sy = walk.inner(1);
    for_each_row<2>(walk, [&](const std::array<int64_t, 2>& o, int64_t n) {
      using detail::One, detail::Zero;
      if (so == 1 && sy == 1) {
        detail::row(out + o[0], out + o[0], One{}, py + o[1], One{}, n, f);
      } else if (so == 1 && sy == 0) {
        detail::row(out + o[0], out + o[0], One{}, py + o[1], Zero{}, n, f);
      } else {
        detail::strided_row(out + o[0], so, out + o[0], so, py + o[1], sy, n, f);
      }
    });
  });
}

}  // namespace bevgrad::pointwise
