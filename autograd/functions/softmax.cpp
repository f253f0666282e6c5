#include "autograd/functions/softmax.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <type_traits>

#include "autograd/functions/operators.h"
#include "autograd/functions/pointwise.h"
#include "autograd/functions/reduce.h"
#include "autograd/functions/shape.h"
#include "functions/internal/float16.h"
#include "functions/internal/rule_ops.h"
#include "tensor/element.h"
#include "tensor/elementary.h"
#include "tensor/walk.h"

namespace bevgrad {
namespace {

// One line of n elements, each so many steps apart; offsets of its first element in y, x and the mask.
template <class T>
struct SoftmaxLine {
  T* ys;
  const T* xs;
  const bool* masks;  // null: none
  int64_t n, x_step, y_step, mask_step;

  BEVGRAD_HD void operator()(const std::array<int64_t, 3>& o) const {
    T* y = ys + o[0];
    const T* x = xs + o[1];
    const bool* mask = masks ? masks + o[2] : nullptr;
    using R = compute_t<T>;
    bool any = false;
    R largest = R(0);
    for (int64_t k = 0; k < n; ++k) {
      if (mask && !mask[k * mask_step]) continue;
      const R value = static_cast<R>(x[k * x_step]);
      if (!any || value > largest || value != value) largest = value;
      any = true;
    }
    R total = R(0);
    for (int64_t k = 0; k < n; ++k)
      if (!mask || mask[k * mask_step]) total += elementary::exp(static_cast<R>(x[k * x_step]) - largest);
    for (int64_t k = 0; k < n; ++k)
      y[k * y_step] = mask && !mask[k * mask_step]
                          ? T(0.0f)
                          : static_cast<T>(elementary::exp(static_cast<R>(x[k * x_step]) - largest) / total);
  }
};

template <class T>
struct SoftmaxLineBackward {
  T* dxs;
  const T* ys;
  const T* dys;
  int64_t n, y_step, dy_step, dx_step;

  BEVGRAD_HD void operator()(const std::array<int64_t, 3>& o) const {
    T* dx = dxs + o[0];
    const T* y = ys + o[1];
    const T* dy = dys + o[2];
    using R = compute_t<T>;
    R dot = R(0);
    for (int64_t k = 0; k < n; ++k) dot += static_cast<R>(y[k * y_step]) * static_cast<R>(dy[k * dy_step]);
    for (int64_t k = 0; k < n; ++k)
      dx[k * dx_step] = static_cast<T>(static_cast<R>(y[k * y_step]) * (static_cast<R>(dy[k * dy_step]) - dot));
  }
};

// Both ways of normalising a line.
enum class Form { Softmax, LogSoftmax };

// x seen as [outer, n, inner] with the elements as they lie in memory: dense, `axis` in the middle.
struct Blocks {
  std::vector<int> order;  // of x's dimensions in memory
  Tensor dense;
  int64_t outer = 1, n = 1, inner = 1;

  Blocks(const Tensor& x, int axis) : order(static_cast<size_t>(x.dim())) {
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return x.strides()[a] > x.strides()[b]; });
    dense = ops::contiguous(ops::permute(x, order));
    n = x.size(axis);
    bool behind = false;
    for (const int d : order) {
      if (d == axis) {
        behind = true;
      } else {
        (behind ? inner : outer) *= x.size(d);
      }
    }
  }
  // Another tensor of the same sizes, laid out so.
  Tensor alike(const Tensor& x) const { return ops::contiguous(ops::permute(x, order)); }
  Tensor in_order(const Tensor& result) const {
    std::vector<int> inverse(order.size());
    for (size_t i = 0; i < order.size(); ++i) inverse[order[i]] = static_cast<int>(i);
    return ops::permute(result, inverse);
  }
};

// So many lines beside one another are worked on at once.
constexpr int64_t kColumns = 64;

// The CPU's: one line along memory, or up to kColumns lines side by side.
template <class T>
void softmax_block(T* y, const T* x, int64_t n, int64_t inner, int64_t width, Form form) {
  using R = compute_t<T>;
  R largest[kColumns], total[kColumns];
  for (int64_t c = 0; c < width; ++c) largest[c] = -std::numeric_limits<R>::infinity(), total[c] = R(0);
  for (int64_t k = 0; k < n; ++k) {
#pragma omp simd
    for (int64_t c = 0; c < width; ++c) {
      const R value = load(x, k * inner + c);
      largest[c] = value > largest[c] ? value : largest[c];
    }
  }
  if constexpr (std::is_same_v<T, R>) {
    if (form == Form::Softmax) {
      // The result's place holds what would be computed twice.
      for (int64_t k = 0; k < n; ++k) {
#pragma omp simd
        for (int64_t c = 0; c < width; ++c) {
          const R value = elementary::exp(x[k * inner + c] - largest[c]);
          total[c] += value;
          y[k * inner + c] = value;
        }
      }
      for (int64_t c = 0; c < width; ++c) total[c] = R(1) / total[c];
      for (int64_t k = 0; k < n; ++k) {
#pragma omp simd
        for (int64_t c = 0; c < width; ++c) y[k * inner + c] *= total[c];
      }
      return;
    }
  }
  for (int64_t k = 0; k < n; ++k) {
#pragma omp simd
    for (int64_t c = 0; c < width; ++c) total[c] += elementary::exp(load(x, k * inner + c) - largest[c]);
  }
  if (form == Form::Softmax) {
    for (int64_t c = 0; c < width; ++c) total[c] = R(1) / total[c];
    for (int64_t k = 0; k < n; ++k) {
#pragma omp simd
      for (int64_t c = 0; c < width; ++c)
        store(y, k * inner + c, elementary::exp(load(x, k * inner + c) - largest[c]) * total[c]);
    }
    return;
  }
  // One after the other: next to a large maximum the logarithm would round away.
  for (int64_t c = 0; c < width; ++c) total[c] = std::log(total[c]);
  for (int64_t k = 0; k < n; ++k) {
#pragma omp simd
    for (int64_t c = 0; c < width; ++c) store(y, k * inner + c, load(x, k * inner + c) - largest[c] - total[c]);
  }
}

// Lines too short for vector instructions along them, laid side by side as columns.
constexpr int64_t kShortLine = 32;

template <class T>
struct Columns {
  compute_t<T> values[kShortLine * kColumns] = {};

  void read(const T* lines, int64_t n, int64_t width) {
    for (int64_t c = 0; c < width; ++c)
      for (int64_t k = 0; k < n; ++k) values[k * kColumns + c] = load(lines, c * n + k);
  }
  void write(T* lines, int64_t n, int64_t width) const {
    for (int64_t c = 0; c < width; ++c)
      for (int64_t k = 0; k < n; ++k) store(lines, c * n + k, values[k * kColumns + c]);
  }
};

template <class T>
void softmax_row(T* y, const T* x, int64_t n, Form form) {
  using R = compute_t<T>;
  R largest = -std::numeric_limits<R>::infinity();
#pragma omp simd reduction(max : largest)
  for (int64_t k = 0; k < n; ++k) {
    const R value = load(x, k);
    largest = value > largest ? value : largest;
  }
  R total = R(0);
  if constexpr (std::is_same_v<T, R>) {
    if (form == Form::Softmax) {
#pragma omp simd reduction(+ : total)
      for (int64_t k = 0; k < n; ++k) {
        const R value = elementary::exp(x[k] - largest);
        total += value;
        y[k] = value;
      }
      const R factor = R(1) / total;
#pragma omp simd
      for (int64_t k = 0; k < n; ++k) y[k] *= factor;
      return;
    }
  }
#pragma omp simd reduction(+ : total)
  for (int64_t k = 0; k < n; ++k) total += elementary::exp(load(x, k) - largest);
  if (form == Form::Softmax) {
    const R factor = R(1) / total;
#pragma omp simd
    for (int64_t k = 0; k < n; ++k) store(y, k, elementary::exp(load(x, k) - largest) * factor);
    return;
  }
  const R logarithm = std::log(total);
#pragma omp simd
  for (int64_t k = 0; k < n; ++k) store(y, k, load(x, k) - largest - logarithm);
}

// dx = y (dy - sum of dy y), or dy - exp(y) sum of dy.
template <class T>
void softmax_backward_block(T* dx, const T* y, const T* dy, int64_t n, int64_t inner, int64_t width, Form form) {
  using R = compute_t<T>;
  R total[kColumns] = {};
  for (int64_t k = 0; k < n; ++k) {
#pragma omp simd
    for (int64_t c = 0; c < width; ++c) {
      const R gradient = load(dy, k * inner + c);
      total[c] += form == Form::Softmax ? gradient * load(y, k * inner + c) : gradient;
    }
  }
  for (int64_t k = 0; k < n; ++k) {
#pragma omp simd
    for (int64_t c = 0; c < width; ++c) {
      const R gradient = load(dy, k * inner + c), value = load(y, k * inner + c);
      store(dx, k * inner + c,
            form == Form::Softmax ? value * (gradient - total[c]) : gradient - elementary::exp(value) * total[c]);
    }
  }
}

template <class T>
void softmax_backward_row(T* dx, const T* y, const T* dy, int64_t n, Form form) {
  using R = compute_t<T>;
  R total = R(0);
#pragma omp simd reduction(+ : total)
  for (int64_t k = 0; k < n; ++k) total += form == Form::Softmax ? load(dy, k) * load(y, k) : load(dy, k);
#pragma omp simd
  for (int64_t k = 0; k < n; ++k) {
    const R value = load(y, k);
    store(dx, k, form == Form::Softmax ? value * (load(dy, k) - total) : load(dy, k) - elementary::exp(value) * total);
  }
}

// Calls row(offset) for lines along memory, block(offset, width) for lines side by side, short_lines(offset, width)
// for so many short lines, one behind the other.
template <class Row, class Block, class ShortLines>
void for_each_line(const Blocks& blocks, const Row& row, const Block& block, const ShortLines& short_lines) {
  const int64_t n = blocks.n, inner = blocks.inner;
  if (inner == 1 && n <= kShortLine && blocks.outer > 1) {
    const int64_t groups = (blocks.outer + kColumns - 1) / kColumns;
    return launch_host(
        groups, [&](int64_t i) { short_lines(i * kColumns * n, std::min(kColumns, blocks.outer - i * kColumns)); },
        2 * n * kColumns);
  }
  if (inner == 1)
    return launch_host(
        blocks.outer, [&](int64_t i) { row(i * n); }, 2 * n);
  const int64_t pieces = (inner + kColumns - 1) / kColumns;
  launch_host(
      blocks.outer * pieces,
      [&](int64_t i) {
        const int64_t begin = i % pieces * kColumns;
        block(i / pieces * n * inner + begin, std::min(kColumns, inner - begin));
      },
      2 * n * std::min(kColumns, inner));
}

Tensor softmax_on_host(const Tensor& x, int axis, Form form) {
  const Blocks blocks(x, axis);
  const Tensor y = empty(blocks.dense.sizes(), {x.dtype()});
  dispatch_floating("softmax", x.dtype(), [&]<class T>() {
    T* out = y.data<T>();
    const T* in = blocks.dense.data<const T>();
    for_each_line(
        blocks, [&](int64_t at) { softmax_row(out + at, in + at, blocks.n, form); },
        [&](int64_t at, int64_t width) { softmax_block(out + at, in + at, blocks.n, blocks.inner, width, form); },
        [&](int64_t at, int64_t width) {
          Columns<T> columns;
          columns.read(in + at, blocks.n, width);
          softmax_block(columns.values, columns.values, blocks.n, kColumns, width, form);
          columns.write(out + at, blocks.n, width);
        });
  });
  return blocks.in_order(y);
}

Tensor softmax_backward_on_host(const Tensor& dy, const Tensor& y, int axis, Form form) {
  const Blocks blocks(y, axis);
  const Tensor dx = empty(blocks.dense.sizes(), {y.dtype()}), gradient = blocks.alike(dy);
  dispatch_floating("softmax", y.dtype(), [&]<class T>() {
    T* out = dx.data<T>();
    const T *values = blocks.dense.data<const T>(), *slopes = gradient.data<const T>();
    for_each_line(
        blocks, [&](int64_t at) { softmax_backward_row(out + at, values + at, slopes + at, blocks.n, form); },
        [&](int64_t at, int64_t width) {
          softmax_backward_block(out + at, values + at, slopes + at, blocks.n, blocks.inner, width, form);
        },
        [&](int64_t at, int64_t width) {
          Columns<T> y, dy;
          y.read(values + at, blocks.n, width);
          dy.read(slopes + at, blocks.n, width);
          softmax_backward_block(dy.values, y.values, dy.values, blocks.n, kColumns, width, form);
          dy.write(out + at, blocks.n, width);
        });
  });
  return blocks.in_order(dx);
}

Tensor softmax_forward(const Tensor& x, int axis, const Tensor& mask) {
  if (x.device().is_cpu() && !mask.defined() && x.numel() > 0) return softmax_on_host(x, axis, Form::Softmax);
  Tensor y = empty_like(x);
  if (x.numel() == 0) return y;
  const Tensor x0 = ops::narrow(x, axis, 0, 1), y0 = ops::narrow(y, axis, 0, 1);
  const Tensor mask0 = mask.defined() ? ops::narrow(mask, axis, 0, 1) : Tensor();
  const Shape& mask_strides = mask.defined() ? mask.strides() : x.strides();
  const Walk walk =
      plan_walk(y0.sizes(), {{y0.sizes(), y0.strides()}, {x0.sizes(), x0.strides()}, {x0.sizes(), mask_strides}});
  dispatch_floating("softmax", x.dtype(), [&]<class T>() {
    const SoftmaxLine<T> line{y0.data<T>(),      x0.data<T>(),      mask.defined() ? mask0.data<bool>() : nullptr,
                              x.size(axis),      x.strides()[axis], y.strides()[axis],
                              mask_strides[axis]};
    launch_elements<3>(x.device(), walk, line, 8 * x.size(axis));
  });
  return y;
}

Tensor softmax_backward(const Tensor& dy, const Tensor& y, int axis) {
  if (y.device().is_cpu() && y.numel() > 0) return softmax_backward_on_host(dy, y, axis, Form::Softmax);
  Tensor dx = empty_like(y);
  if (y.numel() == 0) return dx;
  const Tensor y0 = ops::narrow(y, axis, 0, 1), dy0 = ops::narrow(dy, axis, 0, 1), dx0 = ops::narrow(dx, axis, 0, 1);
  const Walk walk =
      plan_walk(y0.sizes(), {{dx0.sizes(), dx0.strides()}, {y0.sizes(), y0.strides()}, {dy0.sizes(), dy0.strides()}});
  dispatch_floating("softmax", y.dtype(), [&]<class T>() {
    const SoftmaxLineBackward<T> line{dx0.data<T>(),     y0.data<T>(),       dy0.data<T>(),     y.size(axis),
                                      y.strides()[axis], dy.strides()[axis], dx.strides()[axis]};
    launch_elements<3>(y.device(), walk, line, 2 * y.size(axis));
  });
  return dx;
}

}  // namespace

Tensor softmax(const Tensor& x, int dim, const Tensor& mask) {
  if (is_float16(x)) return to(softmax(in_float32(x), dim, in_float32(mask)), DType::Float16);
  tape::check_defined("softmax", {{"x", x}});
  if (x.dim() == 0) return squeeze(softmax(unsqueeze(x, 0), dim, mask.defined() ? unsqueeze(mask, 0) : mask), 0);
  const OpScope scope("softmax");
  const int axis = wrap_dimension("softmax", dim, x.dim());
  check(!mask.defined() || (mask.dtype() == DType::Bool && mask.sizes() == x.sizes() && mask.device() == x.device()),
        "softmax: the mask is {}, expected bool {}", describe(mask), to_string(x.sizes()));
  Tensor y = softmax_forward(x, axis, mask);
  return record("softmax", y, {x}, twice([y_ = Saved(y), axis](const Tensor& dy, const NeedsGrad&) {
                  if (rule::is_recorded()) {
                    const Tensor y = rule::result(y_.get());
                    return Grads{y * (dy - sum(dy * y, {axis}, true))};
                  }
                  return Grads{softmax_backward(dy, y_.get(), axis)};
                }));
}

namespace {

// A constant that cancels in a softmax.
Tensor largest_along(const Tensor& x, int axis) {
  const NoGradGuard no_grad;
  return max(x, axis, true);
}

}  // namespace

Tensor log_softmax(const Tensor& x, int dim) {
  if (is_float16(x)) return to(log_softmax(in_float32(x), dim), DType::Float16);
  tape::check_defined("log_softmax", {{"x", x}});
  if (x.dim() == 0) return squeeze(log_softmax(unsqueeze(x, 0), dim), 0);
  const int axis = wrap_dimension("log_softmax", dim, x.dim());
  if (x.numel() == 0) return clone(x);
  if (!x.device().is_cpu()) {
    // Made of others, in float32 where x is narrower.
    const Tensor wide = x.dtype() == DType::BFloat16 ? to(x, DType::Float32) : x;
    const Tensor shifted = sub(wide, largest_along(wide, axis));
    return to(sub(shifted, log(sum(exp(shifted), {axis}, true))), x.dtype());
  }
  const OpScope scope("log_softmax");
  Tensor y = softmax_on_host(x, axis, Form::LogSoftmax);
  return record("log_softmax", y, {x}, twice([y_ = Saved(y), axis](const Tensor& dy, const NeedsGrad&) {
                  if (rule::is_recorded()) return Grads{dy - exp(rule::result(y_.get())) * sum(dy, {axis}, true)};
                  return Grads{softmax_backward_on_host(dy, y_.get(), axis, Form::LogSoftmax)};
                }));
}

}  // namespace bevgrad
