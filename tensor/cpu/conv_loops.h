// Convolution as plain loops: serves float64, shapes that oneDNN refuses, and the tests as their oracle.
// T is the type of activations; parameters are of type P (float, or double for T = double). Sums are kept in double.
#pragma once
#include <vector>

#include "tensor/backend.h"

namespace bevgrad::cpu::loops {

struct ConvShape {
  int64_t n, c, h, w, k, kh, kw, oh, ow;
  Pair stride, padding, dilation;
  int64_t groups;

  int64_t in() const { return c / groups; }  // channels that an output channel sees
  /// The first of them.
  int64_t first_in(int64_t output) const { return output / (k / groups) * in(); }
};

inline ConvShape conv_shape(const Tensor& x, const Tensor& y, const Tensor& weight, ConvOptions options) {
  return {x.size(0), x.size(1), x.size(2),      x.size(3),       weight.size(0),   weight.size(2), weight.size(3),
          y.size(2), y.size(3), options.stride, options.padding, options.dilation, options.groups};
}

/// Calls `visit(input pixel, output pixel, kernel position)` with offsets in pixels for one image's output row.
template <class F>
void for_each_tap(const ConvShape& s, int64_t n, int64_t oh, F&& visit) {
  for (int64_t ow = 0; ow < s.ow; ++ow)
    for (int64_t r = 0; r < s.kh; ++r) {
      const int64_t h = oh * s.stride.h - s.padding.h + r * s.dilation.h;
      if (h < 0 || h >= s.h) continue;
      for (int64_t q = 0; q < s.kw; ++q) {
        const int64_t w = ow * s.stride.w - s.padding.w + q * s.dilation.w;
        if (w < 0 || w >= s.w) continue;
        visit((n * s.h + h) * s.w + w, (n * s.oh + oh) * s.ow + ow, r * s.kw + q);
      }
    }
}

/// The weight as [kh*kw][k][c / groups], in double.
template <class P>
std::vector<double> weight_by_tap(const P* weight, const ConvShape& s) {
  const int64_t taps = s.kh * s.kw, in = s.in();
  std::vector<double> result(static_cast<size_t>(taps * s.k * in));
  for (int64_t k = 0; k < s.k; ++k)
    for (int64_t c = 0; c < in; ++c)
      for (int64_t t = 0; t < taps; ++t)
        result[(t * s.k + k) * in + c] = static_cast<double>(weight[(k * in + c) * taps + t]);
  return result;
}

template <class T, class P>
void conv2d_forward(T* y, const T* x, const P* weight, const P* scale, const P* shift, const T* residual, bool relu,
                    const ConvShape& s) {
  const std::vector<double> taps = weight_by_tap(weight, s);
#pragma omp parallel for collapse(2) schedule(static)
  for (int64_t n = 0; n < s.n; ++n)
    for (int64_t oh = 0; oh < s.oh; ++oh) {
      std::vector<double> row(static_cast<size_t>(s.ow * s.k), 0.0);
      const int64_t first = (n * s.oh + oh) * s.ow;
      for_each_tap(s, n, oh, [&](int64_t in, int64_t out, int64_t tap) {
        for (int64_t k = 0; k < s.k; ++k) {
          const double* w = taps.data() + (tap * s.k + k) * s.in();
          const T* from = x + in * s.c + s.first_in(k);
          double sum = 0;
          for (int64_t c = 0; c < s.in(); ++c) sum += static_cast<double>(compute_t<T>(from[c])) * w[c];
          row[(out - first) * s.k + k] += sum;
        }
      });
      for (int64_t i = 0; i < s.ow * s.k; ++i) {
        double value = row[i];
        if (scale) value *= static_cast<double>(scale[i % s.k]);
        if (shift) value += static_cast<double>(shift[i % s.k]);
        if (residual) value += static_cast<double>(compute_t<T>(residual[first * s.k + i]));
        if (relu && value < 0) value = 0;
        y[first * s.k + i] = static_cast<T>(static_cast<compute_t<T>>(value));
      }
    }
}

template <class T, class D, class P>
void conv2d_backward_input(D* dx, const T* dy, const P* weight, const ConvShape& s) {
  const std::vector<double> taps = weight_by_tap(weight, s);
#pragma omp parallel for schedule(static)
  for (int64_t n = 0; n < s.n; ++n) {
    std::vector<double> image(static_cast<size_t>(s.h * s.w * s.c), 0.0);
    const int64_t first = n * s.h * s.w;
    for (int64_t oh = 0; oh < s.oh; ++oh)
      for_each_tap(s, n, oh, [&](int64_t in, int64_t out, int64_t tap) {
        for (int64_t k = 0; k < s.k; ++k) {
          const double* w = taps.data() + (tap * s.k + k) * s.in();
          const double g = static_cast<double>(compute_t<T>(dy[out * s.k + k]));
          double* to = image.data() + (in - first) * s.c + s.first_in(k);
          for (int64_t c = 0; c < s.in(); ++c) to[c] += g * w[c];
        }
      });
    for (size_t i = 0; i < image.size(); ++i)
      dx[first * s.c + static_cast<int64_t>(i)] = static_cast<D>(static_cast<compute_t<D>>(image[i]));
  }
}

template <class T, class P>
void conv2d_backward_weight(P* dweight, const T* x, const T* dy, const ConvShape& s) {
  const int64_t taps = s.kh * s.kw;
#pragma omp parallel for schedule(static)
  for (int64_t k = 0; k < s.k; ++k) {
    std::vector<double> sums(static_cast<size_t>(taps * s.in()), 0.0);
    for (int64_t n = 0; n < s.n; ++n)
      for (int64_t oh = 0; oh < s.oh; ++oh)
        for_each_tap(s, n, oh, [&](int64_t in, int64_t out, int64_t tap) {
          const double g = static_cast<double>(compute_t<T>(dy[out * s.k + k]));
          const T* from = x + in * s.c + s.first_in(k);
          for (int64_t c = 0; c < s.in(); ++c) sums[tap * s.in() + c] += g * static_cast<double>(compute_t<T>(from[c]));
        });
    for (int64_t c = 0; c < s.in(); ++c)
      for (int64_t t = 0; t < taps; ++t) dweight[(k * s.in() + c) * taps + t] = static_cast<P>(sums[t * s.in() + c]);
  }
}

}  // namespace bevgrad::cpu::loops
