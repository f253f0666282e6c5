// Max pooling over channels-last rows: every pixel handles all its channels at once. The backward pass gathers, so that
// each input pixel is written by one thread and the order of its additions is fixed.
#include "internal/pool_window.h"

#include <algorithm>
#include <limits>

#include "cpu/backend.h"
#include "tensor/launch.h"
#include "tensor/simd.h"

namespace bevgrad::cpu {
namespace {

template <class T, bool kIndex>
void forward_pixel(T* y, uint8_t* index, const T* image, const PoolWindow& p, int64_t oh, int64_t ow) {
  using C = compute_t<T>;
  bool first = true;
  for (int r = 0; r < p.rows.kernel; ++r) {
    const int64_t h = p.rows.place(oh, r);
    if (!p.rows.holds(h)) continue;
    for (int q = 0; q < p.columns.kernel; ++q) {
      const int64_t w = p.columns.place(ow, q);
      if (!p.columns.holds(w)) continue;
      const T* in = image + (h * p.columns.size + w) * p.channels;
      const uint8_t position = static_cast<uint8_t>(r * p.columns.kernel + q);
      if (first) {
        for (int64_t c = 0; c < p.channels; ++c) {
          y[c] = in[c];
          if constexpr (kIndex) index[c] = position;
        }
        first = false;
        continue;
      }
      simd::for_each_block(p.channels, [&](int64_t c, auto lanes) {
        const simd::Vector<C> value = lanes.load(in + c), best = lanes.load(y + c);
        const auto worse = (value <= best) | (best != best);  // a NaN wins and stays
        lanes.store(y + c, worse ? best : value);
        if constexpr (kIndex) {
          const auto keep = simd::convert<int8_t, std::remove_cvref_t<decltype(worse[0])>>(worse);
          const auto old = lanes.load(index + c);
          lanes.store(index + c, keep ? old : simd::Vector<uint8_t>{} + position);
        }
      });
    }
  }
  if (!first) return;
  std::fill_n(y, p.channels, static_cast<T>(-std::numeric_limits<C>::infinity()));
  if constexpr (kIndex) std::fill_n(index, p.channels, kNoPlace);
}

}  // namespace

void max_pool2d_forward(const Tensor& y, const Tensor& index, const Tensor& x, Pair kernel, ConvOptions options) {
  const PoolWindow p = pool_window(x, y, kernel, options);
  const int64_t images = x.size(0), rows = p.rows.outputs, columns = p.columns.outputs;
  const bool parallel = y.numel() * kernel.h * kernel.w >= kParallelGrain;
  dispatch_floating("max_pool2d", x.dtype(), [&]<class T>() {
    const T* in = x.data<T>();
    T* out = y.data<T>();
    uint8_t* positions = index.defined() ? index.data<uint8_t>() : nullptr;
#pragma omp parallel for collapse(2) schedule(static) if (parallel)
    for (int64_t n = 0; n < images; ++n)
      for (int64_t oh = 0; oh < rows; ++oh)
        for (int64_t ow = 0; ow < columns; ++ow) {
          const int64_t at = ((n * rows + oh) * columns + ow) * p.channels;
          const T* image = in + n * p.rows.size * p.columns.size * p.channels;
          if (positions) {
            forward_pixel<T, true>(out + at, positions + at, image, p, oh, ow);
          } else {
            forward_pixel<T, false>(out + at, nullptr, image, p, oh, ow);
          }
        }
  });
}

void max_pool2d_backward(const Tensor& dx, const Tensor& dy, const Tensor& index, Pair kernel, ConvOptions options) {
  const PoolWindow p = pool_window(dx, dy, kernel, options);
  const int64_t images = dx.size(0), rows = p.rows.size, columns = p.columns.size;
  const bool parallel = dx.numel() * 4 >= kParallelGrain;
  dispatch_floating("max_pool2d", dx.dtype(), [&]<class T>() {
    using C = compute_t<T>;
    T* out = dx.data<T>();
    const T* gradient = dy.data<T>();
    const uint8_t* positions = index.data<uint8_t>();
#pragma omp parallel for collapse(2) schedule(static) if (parallel)
    for (int64_t n = 0; n < images; ++n)
      for (int64_t h = 0; h < rows; ++h) {
        std::vector<C> sums(static_cast<size_t>(p.channels));
        C* sum = sums.data();
        for (int64_t w = 0; w < columns; ++w) {
          std::fill(sums.begin(), sums.end(), C(0));
          for (int64_t oh = p.rows.first_output(h); oh <= p.rows.last_output(h); ++oh)
            for (int64_t ow = p.columns.first_output(w); ow <= p.columns.last_output(w); ++ow) {
              const int64_t r = p.rows.tap(oh, h), q = p.columns.tap(ow, w);
              if (r < 0 || q < 0) continue;
              const uint8_t wanted = static_cast<uint8_t>(r * p.columns.kernel + q);
              const int64_t at = ((n * p.rows.outputs + oh) * p.columns.outputs + ow) * p.channels;
#pragma omp simd
              for (int64_t c = 0; c < p.channels; ++c)
                sum[c] += positions[at + c] == wanted ? C(gradient[at + c]) : C(0);
            }
          T* pixel = out + ((n * rows + h) * columns + w) * p.channels;
          for (int64_t c = 0; c < p.channels; ++c) pixel[c] = static_cast<T>(sum[c]);
        }
      }
  });
}

}  // namespace bevgrad::cpu
