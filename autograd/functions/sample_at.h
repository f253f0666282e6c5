// Sampling of channels-last maps at positions that any functor gives: what grid_sample and warps have in common.
#pragma once
#include <algorithm>
#include <cmath>
#include <functional>

#include "autograd/autograd.h"
#include "autograd/functions/grid_sample.h"
#include "tensor/channel_blocks.h"
#include "tensor/element.h"
#include "tensor/launch.h"

namespace bevgrad {

template <class G>
struct SamplePosition {
  G x, y;  // in source pixels
};

// At most four pixels with weights; those outside are left out (zero padding).
template <class R>
struct SampleTaps {
  int64_t pixel[4];
  R weight[4];
  int count = 0;

  BEVGRAD_HD void add(int64_t row, int64_t column, R w, int64_t height, int64_t width) {
    if (row < 0 || row >= height || column < 0 || column >= width) return;
    pixel[count] = row * width + column;
    weight[count++] = w;
  }
};

template <class R, class G>
BEVGRAD_HD SampleTaps<R> taps_at(SamplePosition<G> p, Interpolation mode, int64_t height, int64_t width) {
  SampleTaps<R> taps;
  // Also false for NaN; keeps the conversion to integers in range.
  if (!(p.x > G(-2) && p.y > G(-2) && p.x < static_cast<G>(width + 1) && p.y < static_cast<G>(height + 1))) return taps;
  if (mode == Interpolation::Nearest) {
    taps.add(static_cast<int64_t>(std::nearbyint(p.y)), static_cast<int64_t>(std::nearbyint(p.x)), R(1), height, width);
    return taps;
  }
  const G left = std::floor(p.x), top = std::floor(p.y);
  const G fx = p.x - left, fy = p.y - top;
  const auto column = static_cast<int64_t>(left), row = static_cast<int64_t>(top);
  taps.add(row, column, static_cast<R>((G(1) - fx) * (G(1) - fy)), height, width);
  taps.add(row, column + 1, static_cast<R>(fx * (G(1) - fy)), height, width);
  taps.add(row + 1, column, static_cast<R>((G(1) - fx) * fy), height, width);
  taps.add(row + 1, column + 1, static_cast<R>(fx * fy), height, width);
  return taps;
}

// One index is a part of one output cell of one sample; x and y are channels-last.
template <class T, class P>
struct SampleForward {
  P positions;
  Interpolation mode;
  const T* x;
  T* y;
  int64_t channels, height, width, rows, columns;
  int64_t part, parts;  // channels of a part, parts of a cell

  BEVGRAD_HD void operator()(int64_t i) const {
    using R = compute_t<T>;
    const int64_t index = i / parts, first = i % parts * part;
    const int64_t count = channels - first < part ? channels - first : part;
    const int64_t n = index / (rows * columns), cell = index % (rows * columns);
    const auto taps = taps_at<R>(positions(n, cell / columns, cell % columns), mode, height, width);
    T* out = y + index * channels + first;
    const T* in = x + n * height * width * channels + first;
    if (taps.count == 1 && taps.weight[0] == R(1)) {
      const T* from = in + taps.pixel[0] * channels;
#pragma omp simd
      for (int64_t c = 0; c < count; ++c) store(out, c, load(from, c));
      return;
    }
    const T* from[4];
    R weight[4];
    for (int k = 0; k < 4; ++k) {
      from[k] = in + (k < taps.count ? taps.pixel[k] * channels : 0);
      weight[k] = k < taps.count ? taps.weight[k] : R(0);
    }
    if (taps.count == 0) {
      for (int64_t c = 0; c < count; ++c) out[c] = T(0.0f);
      return;
    }
    // Unused taps repeat the first one with no weight, so that what is not sampled cannot leak a NaN.
    for (int k = taps.count; k < 4; ++k) from[k] = from[0];
#pragma omp simd
    for (int64_t c = 0; c < count; ++c) {
      R sum = weight[0] * load(from[0], c);
      sum += weight[1] * load(from[1], c);
      sum += weight[2] * load(from[2], c);
      sum += weight[3] * load(from[3], c);
      store(out, c, sum);
    }
  }
};

// One index is a block of channels of one sample, which it owns: it visits the cells in order.
template <class T, class P>
struct SampleBackward {
  P positions;
  Interpolation mode;
  const T* dy;
  compute_t<T>* dx;  // zeroed
  int64_t channels, height, width, rows, columns;
  int64_t block;

  BEVGRAD_HD void operator()(int64_t index) const {
    using R = compute_t<T>;
    const int64_t blocks = (channels + block - 1) / block;
    const int64_t n = index / blocks, begin = index % blocks * block;
    const int64_t end = begin + block < channels ? begin + block : channels;
    for (int64_t cell = 0; cell < rows * columns; ++cell) {
      const auto taps = taps_at<R>(positions(n, cell / columns, cell % columns), mode, height, width);
      const T* from = dy + (n * rows * columns + cell) * channels;
      for (int k = 0; k < taps.count; ++k) {
        R* to = dx + (n * height * width + taps.pixel[k]) * channels;
        for (int64_t c = begin; c < end; ++c) to[c] += taps.weight[k] * load(from, c);
      }
    }
  }
};

/// What the positions were made of, where a gradient for it is wanted: a tensor and its gradient from the output's and
/// x, channels-last.
struct PositionSource {
  Tensor tensor;
  std::function<Tensor(const Tensor& dy, const Tensor& x)> gradient;
};

// Forward and backward for any source of positions; `make` gives it with pointers into live tensors.
template <class Make>
Tensor sample_at(const char* op, const Tensor& x, int64_t rows, int64_t columns, Interpolation mode, const Make& make,
                 const PositionSource& source = {}) {
  const OpScope scope(op);
  const int64_t batch = x.size(0), channels = x.size(1), height = x.size(2), width = x.size(3);
  Tensor y = empty({batch, channels, rows, columns}, {x.dtype(), MemoryFormat::ChannelsLast, x.device()});
  const Tensor dense = ops::contiguous(x, MemoryFormat::ChannelsLast);
  dispatch_floating(op, x.dtype(), [&]<class T>() {
    // On the CPU a cell at once, so that its position is found once.
    const int64_t part = x.device().is_cpu() ? std::max<int64_t>(channels, 1) : kDeviceChannelBlock;
    const int64_t parts = blocks_of(channels, part);
    launch(x.device(), batch * rows * columns * parts,
           SampleForward<T, decltype(make())>{make(), mode, dense.data<T>(), y.data<T>(), channels, height, width, rows,
                                              columns, part, parts},
           channels / 4 + 1);
  });
  const bool moves = source.tensor.defined() && requires_grad(source.tensor);
  auto rule = [=, sizes = x.sizes(), dtype = x.dtype(), x_ = moves ? Saved(dense) : Saved()](const Tensor& dy,
                                                                                             const NeedsGrad& needs) {
    const Tensor gradient = ops::contiguous(dy, MemoryFormat::ChannelsLast);
    Grads grads(2);
    if (needs[1]) grads[1] = source.gradient(gradient, x_.get());
    if (!needs[0]) return grads;
    const DType compute = dtype == DType::Float64 ? dtype : DType::Float32;
    Tensor dx = zeros(sizes, {compute, MemoryFormat::ChannelsLast, dy.device()});
    dispatch_floating(op, dtype, [&]<class T>() {
      const int64_t block = dy.device().is_cpu() ? 16 : 1;
      launch(dy.device(), batch * blocks_of(channels, block),
             SampleBackward<T, decltype(make())>{make(), mode, gradient.data<T>(), dx.data<compute_t<T>>(), channels,
                                                 height, width, rows, columns, block},
             rows * columns);
    });
    grads[0] = ops::to(dx, dtype);
    return grads;
  };
  return record(op, y, {x, source.tensor}, std::move(rule));
}

}  // namespace bevgrad
