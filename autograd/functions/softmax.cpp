#include "autograd/functions/softmax.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "autograd/functions/channel_blocks.h"
#include "autograd/functions/pointwise.h"
#include "autograd/functions/shape.h"
#include "autograd/functions/statistics.h"
#include "functions/internal/float16.h"
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
  for (int64_t c = 0; c < width; ++c) largest[c] += std::log(total[c]);
  for (int64_t k = 0; k < n; ++k) {
#pragma omp simd
    for (int64_t c = 0; c < width; ++c) store(y, k * inner + c, load(x, k * inner + c) - largest[c]);
  }
}

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
#pragma omp simd reduction(+ : total)
  for (int64_t k = 0; k < n; ++k) total += elementary::exp(load(x, k) - largest);
  if (form == Form::Softmax) {
    const R factor = R(1) / total;
#pragma omp simd
    for (int64_t k = 0; k < n; ++k) store(y, k, elementary::exp(load(x, k) - largest) * factor);
    return;
  }
  const R shift = largest + std::log(total);
#pragma omp simd
  for (int64_t k = 0; k < n; ++k) store(y, k, load(x, k) - shift);
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

// Calls row(offset) for lines along memory, block(offset, width) for lines side by side.
template <class Row, class Block>
void for_each_line(const Blocks& blocks, const Row& row, const Block& block) {
  const int64_t n = blocks.n, inner = blocks.inner;
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
        [&](int64_t at, int64_t width) { softmax_block(out + at, in + at, blocks.n, blocks.inner, width, form); });
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

constexpr int kMaxFrames = 16;

// One index is one pixel and one block of its channels; frames are channels-last.
template <class T, int64_t kBlock>
struct WeightedSum {
  const T* frames[kMaxFrames];
  const T* weights;  // [pixels, K]
  T* y;
  int64_t count, channels, blocks;

  BEVGRAD_HD void operator()(int64_t i) const {
    using R = compute_t<T>;
    const int64_t pixel = i / blocks, begin = i % blocks * kBlock;
    const int64_t width = channels - begin < kBlock ? channels - begin : kBlock;
    R sum[kBlock] = {};
    for (int64_t k = 0; k < count; ++k) {
      const R weight = static_cast<R>(weights[pixel * count + k]);
      const T* frame = frames[k] + pixel * channels + begin;
#pragma omp simd
      for (int64_t c = 0; c < width; ++c) sum[c] += weight * load(frame, c);
    }
#pragma omp simd
    for (int64_t c = 0; c < width; ++c) store(y, pixel * channels + begin + c, sum[c]);
  }
};

// dweights[pixel, k] = sum over channels of dy * frame k. One index is one pixel.
template <class T>
struct WeightedSumWeights {
  const T* frames[kMaxFrames];
  const T* dy;
  T* dweights;
  int64_t count, channels;

  BEVGRAD_HD void operator()(int64_t pixel) const {
    using R = compute_t<T>;
    for (int64_t k = 0; k < count; ++k) {
      const T* frame = frames[k] + pixel * channels;
      const T* gradient = dy + pixel * channels;
      R sum = R(0);
#pragma omp simd reduction(+ : sum)
      for (int64_t c = 0; c < channels; ++c) sum += load(frame, c) * load(gradient, c);
      dweights[pixel * count + k] = static_cast<T>(sum);
    }
  }
};

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
  return record("softmax", y, {x}, [y_ = Saved(y), axis](const Tensor& dy, const NeedsGrad&) {
    return Grads{softmax_backward(dy, y_.get(), axis)};
  });
}

Tensor log_softmax(const Tensor& x, int dim) {
  if (is_float16(x)) return to(log_softmax(in_float32(x), dim), DType::Float16);
  tape::check_defined("log_softmax", {{"x", x}});
  if (x.dim() == 0) return squeeze(log_softmax(unsqueeze(x, 0), dim), 0);
  const int axis = wrap_dimension("log_softmax", dim, x.dim());
  // On a GPU it is made of others.
  if (x.numel() == 0) return clone(x);
  if (!x.device().is_cpu()) return sub(x, logsumexp(x, axis, true));
  const OpScope scope("log_softmax");
  Tensor y = softmax_on_host(x, axis, Form::LogSoftmax);
  return record("log_softmax", y, {x}, [y_ = Saved(y), axis](const Tensor& dy, const NeedsGrad&) {
    return Grads{softmax_backward_on_host(dy, y_.get(), axis, Form::LogSoftmax)};
  });
}

Tensor weighted_sum(const std::vector<Tensor>& frames, const Tensor& weights) {
  const OpScope scope("weighted_sum", {{"weights", weights}});
  const auto count = static_cast<int64_t>(frames.size());
  check(count >= 1 && count <= kMaxFrames, "weighted_sum: {} frames were given, expected 1 to {}", count, kMaxFrames);
  const Shape& sizes = frames[0].sizes();
  check(sizes.size() == 4 && weights.sizes() == Shape({sizes[0], count, sizes[2], sizes[3]}),
        "weighted_sum: weights {} do not fit {} frames of {}", to_string(weights.sizes()), count, to_string(sizes));
  std::vector<Saved> saved;
  std::vector<Tensor> dense;
  for (const Tensor& frame : frames) {
    check(frame.sizes() == sizes && frame.dtype() == weights.dtype() && frame.device() == weights.device(),
          "weighted_sum: a frame is {}, the first {}, the weights {}", describe(frame), describe(frames[0]),
          describe(weights));
    dense.push_back(ops::contiguous(detach(frame), MemoryFormat::ChannelsLast));
    saved.emplace_back(requires_grad(weights) ? dense.back() : Tensor());
  }
  const Tensor w = ops::contiguous(detach(weights), MemoryFormat::ChannelsLast);
  const int64_t pixels = sizes[0] * sizes[2] * sizes[3], channels = sizes[1];
  Tensor y = empty(sizes, {weights.dtype(), MemoryFormat::ChannelsLast, weights.device()});
  dispatch_floating("weighted_sum", weights.dtype(), [&]<class T>() {
    with_channel_block(weights.device(), [&]<int64_t kBlock>() {
      const int64_t blocks = blocks_of(channels, kBlock);
      WeightedSum<T, kBlock> functor{{}, w.data<T>(), y.data<T>(), count, channels, blocks};
      for (int64_t k = 0; k < count; ++k) functor.frames[k] = dense[k].data<T>();
      launch(weights.device(), pixels * blocks, functor, count * std::min(channels, kBlock) / 4 + 1);
    });
  });

  std::vector<Tensor> inputs = frames;
  inputs.push_back(weights);
  return record("weighted_sum", y, inputs, [saved, w_ = Saved(w), count](const Tensor& dy, const NeedsGrad& needs) {
    const Tensor& w = w_.get();
    Grads grads(static_cast<size_t>(count) + 1);
    for (int64_t k = 0; k < count; ++k)
      if (needs[k]) grads[k] = ops::mul(dy, ops::narrow(w, 1, k, 1));
    if (needs[count]) {
      const Tensor gradient = ops::contiguous(dy, MemoryFormat::ChannelsLast);
      grads[count] = empty(w.sizes(), {w.dtype(), MemoryFormat::ChannelsLast, w.device()});
      dispatch_floating("weighted_sum", w.dtype(), [&]<class T>() {
        WeightedSumWeights<T> functor{{}, gradient.data<T>(), grads[count].data<T>(), count, dy.size(1)};
        for (int64_t k = 0; k < count; ++k) functor.frames[k] = saved[k].get().data<T>();
        launch(w.device(), w.numel() / count, functor, count * dy.size(1) / 4 + 1);
      });
    }
    return grads;
  });
}

}  // namespace bevgrad
