// Max pooling over channels-last rows: every pixel handles all its channels at once. The backward pass gathers, so that
// each input pixel is written by one thread and the order of its additions is fixed.
#include <algorithm>
#include <limits>

#include "cpu/backend.h"
#include "tensor/launch.h"
#include "tensor/simd.h"

namespace bevgrad::cpu {
namespace {

struct Window {
  int64_t channels, h, w, oh, ow;
  int kernel, stride, padding;
};

template <class T, bool kIndex>
void forward_pixel(T* y, uint8_t* index, const T* image, const Window& p, int64_t oh, int64_t ow) {
  using C = compute_t<T>;
  bool first = true;
  for (int r = 0; r < p.kernel; ++r) {
    const int64_t h = oh * p.stride - p.padding + r;
    if (h < 0 || h >= p.h) continue;
    for (int q = 0; q < p.kernel; ++q) {
      const int64_t w = ow * p.stride - p.padding + q;
      if (w < 0 || w >= p.w) continue;
      const T* in = image + (h * p.w + w) * p.channels;
      const uint8_t position = static_cast<uint8_t>(r * p.kernel + q);
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
}

}  // namespace

void max_pool2d_forward(const Tensor& y, const Tensor& index, const Tensor& x, int kernel, ConvOptions options) {
  const Window p{x.size(1), x.size(2), x.size(3), y.size(2), y.size(3), kernel, options.stride, options.padding};
  const int64_t images = x.size(0);
  const bool parallel = y.numel() * kernel * kernel >= kParallelGrain;
  dispatch_floating("max_pool2d", x.dtype(), [&]<class T>() {
    const T* in = x.data<T>();
    T* out = y.data<T>();
    uint8_t* positions = index.defined() ? index.data<uint8_t>() : nullptr;
#pragma omp parallel for collapse(2) schedule(static) if (parallel)
    for (int64_t n = 0; n < images; ++n)
      for (int64_t oh = 0; oh < p.oh; ++oh)
        for (int64_t ow = 0; ow < p.ow; ++ow) {
          const int64_t at = ((n * p.oh + oh) * p.ow + ow) * p.channels;
          const T* image = in + n * p.h * p.w * p.channels;
          if (positions) {
            forward_pixel<T, true>(out + at, positions + at, image, p, oh, ow);
          } else {
            forward_pixel<T, false>(out + at, nullptr, image, p, oh, ow);
          }
        }
  });
}

void max_pool2d_backward(const Tensor& dx, const Tensor& dy, const Tensor& index, int kernel, ConvOptions options) {
  const Window p{dx.size(1), dx.size(2), dx.size(3), dy.size(2), dy.size(3), kernel, options.stride, options.padding};
  const int64_t images = dx.size(0);
  const bool parallel = dx.numel() * 4 >= kParallelGrain;
  // Windows that cover input position i: o with o * stride - padding <= i < o * stride - padding + kernel.
  auto first_window = [&](int64_t i) {
    const int64_t low = i + p.padding - p.kernel + 1;
    return low <= 0 ? 0 : (low + p.stride - 1) / p.stride;
  };
  auto last_window = [&](int64_t i, int64_t count) { return std::min(count - 1, (i + p.padding) / p.stride); };
  dispatch_floating("max_pool2d", dx.dtype(), [&]<class T>() {
    using C = compute_t<T>;
    T* out = dx.data<T>();
    const T* gradient = dy.data<T>();
    const uint8_t* positions = index.data<uint8_t>();
#pragma omp parallel for collapse(2) schedule(static) if (parallel)
    for (int64_t n = 0; n < images; ++n)
      for (int64_t h = 0; h < p.h; ++h) {
        std::vector<C> sums(static_cast<size_t>(p.channels));
        C* sum = sums.data();
        for (int64_t w = 0; w < p.w; ++w) {
          std::fill(sums.begin(), sums.end(), C(0));
          for (int64_t oh = first_window(h); oh <= last_window(h, p.oh); ++oh)
            for (int64_t ow = first_window(w); ow <= last_window(w, p.ow); ++ow) {
              const int64_t r = h - (oh * p.stride - p.padding), q = w - (ow * p.stride - p.padding);
              const uint8_t wanted = static_cast<uint8_t>(r * p.kernel + q);
              const int64_t at = ((n * p.oh + oh) * p.ow + ow) * p.channels;
#pragma omp simd
              for (int64_t c = 0; c < p.channels; ++c)
                sum[c] += positions[at + c] == wanted ? C(gradient[at + c]) : C(0);
            }
          T* pixel = out + ((n * p.h + h) * p.w + w) * p.channels;
          for (int64_t c = 0; c < p.channels; ++c) pixel[c] = static_cast<T>(sum[c]);
        }
      }
  });
}

}  // namespace bevgrad::cpu
