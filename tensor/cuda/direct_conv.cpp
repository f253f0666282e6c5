#include <type_traits>

#include "cuda/direct.h"
#include "tensor/element.h"
#include "tensor/launch.h"

namespace bevgrad::cuda::direct {
namespace {

template <class T>
using parameter_t = std::conditional_t<std::is_same_v<T, double>, double, float>;

template <class T>
T* pointer(const Tensor& tensor) {
  return tensor.defined() ? tensor.data<T>() : nullptr;
}

struct ConvShape {
  int64_t n, c, h, w, k, kh, kw, oh, ow;
  Pair stride, padding, dilation;
  int64_t in, out;  // channels of a group
};

ConvShape conv_shape(const Tensor& x, const Tensor& y, const Tensor& weight, ConvOptions options) {
  return {x.size(0),       x.size(1),
          x.size(2),       x.size(3),
          weight.size(0),  weight.size(2),
          weight.size(3),  y.size(2),
          y.size(3),       options.stride,
          options.padding, options.dilation,
          weight.size(1),  weight.size(0) / options.groups};
}

template <class T>
BEVGRAD_HD double wide(const T* data, int64_t i) {
  return static_cast<double>(load(data, i));
}

template <class T>
BEVGRAD_HD void narrow(T* data, int64_t i, double value) {
  store(data, i, static_cast<compute_t<T>>(value));
}

template <class T>
struct Forward {
  ConvShape s;
  T* y;
  const T* x;
  const parameter_t<T>* weight;
  const parameter_t<T>* scale;
  const parameter_t<T>* shift;
  const T* residual;
  bool relu;

  BEVGRAD_HD void operator()(int64_t i) const {
    const int64_t k = i % s.k, pixel = i / s.k, ow = pixel % s.ow, line = pixel / s.ow, oh = line % s.oh;
    const T* image = x + line / s.oh * s.h * s.w * s.c;
    double sum = 0;
    for (int64_t r = 0; r < s.kh; ++r) {
      const int64_t h = oh * s.stride.h - s.padding.h + r * s.dilation.h;
      if (h < 0 || h >= s.h) continue;
      for (int64_t q = 0; q < s.kw; ++q) {
        const int64_t w = ow * s.stride.w - s.padding.w + q * s.dilation.w;
        if (w < 0 || w >= s.w) continue;
        const T* in = image + (h * s.w + w) * s.c + k / s.out * s.in;
        for (int64_t c = 0; c < s.in; ++c) sum += wide(in, c) * wide(weight, ((k * s.in + c) * s.kh + r) * s.kw + q);
      }
    }
    if (scale) sum *= wide(scale, k);
    if (shift) sum += wide(shift, k);
    if (residual) sum += wide(residual, i);
    if (relu && sum < 0) sum = 0;
    narrow(y, i, sum);
  }
};

template <class T, class D>
struct BackwardInput {
  ConvShape s;
  D* dx;
  const T* dy;
  const parameter_t<T>* weight;

  BEVGRAD_HD void operator()(int64_t i) const {
    const int64_t c = i % s.c, pixel = i / s.c, w = pixel % s.w, line = pixel / s.w, h = line % s.h;
    const T* image = dy + line / s.h * s.oh * s.ow * s.k;
    const int64_t group = c / s.in, inner = c % s.in;
    double sum = 0;
    for (int64_t r = 0; r < s.kh; ++r) {
      const int64_t top = h + s.padding.h - r * s.dilation.h, oh = top / s.stride.h;
      if (top < 0 || top % s.stride.h != 0 || oh >= s.oh) continue;
      for (int64_t q = 0; q < s.kw; ++q) {
        const int64_t left = w + s.padding.w - q * s.dilation.w, ow = left / s.stride.w;
        if (left < 0 || left % s.stride.w != 0 || ow >= s.ow) continue;
        const T* from = image + (oh * s.ow + ow) * s.k;
        for (int64_t k = group * s.out; k < (group + 1) * s.out; ++k)
          sum += wide(from, k) * wide(weight, ((k * s.in + inner) * s.kh + r) * s.kw + q);
      }
    }
    narrow(dx, i, sum);
  }
};

template <class T>
struct BackwardWeight {
  ConvShape s;
  parameter_t<T>* dweight;
  const T* x;
  const T* dy;

  BEVGRAD_HD void operator()(int64_t i) const {
    const int64_t q = i % s.kw, r = i / s.kw % s.kh, k = i / (s.kw * s.kh * s.in);
    const int64_t c = i / (s.kw * s.kh) % s.in + k / s.out * s.in;
    double sum = 0;
    for (int64_t n = 0; n < s.n; ++n)
      for (int64_t oh = 0; oh < s.oh; ++oh) {
        const int64_t h = oh * s.stride.h - s.padding.h + r * s.dilation.h;
        if (h < 0 || h >= s.h) continue;
        for (int64_t ow = 0; ow < s.ow; ++ow) {
          const int64_t w = ow * s.stride.w - s.padding.w + q * s.dilation.w;
          if (w < 0 || w >= s.w) continue;
          sum += wide(dy, ((n * s.oh + oh) * s.ow + ow) * s.k + k) * wide(x, ((n * s.h + h) * s.w + w) * s.c + c);
        }
      }
    narrow(dweight, i, sum);
  }
};

}  // namespace

void conv2d_forward(const Tensor& y, const Tensor& x, const Tensor& weight, const ConvEpilogue& epilogue,
                    ConvOptions options) {
  const ConvShape s = conv_shape(x, y, weight, options);
  dispatch_floating("conv2d", x.dtype(), [&]<class T>() {
    using P = parameter_t<T>;
    launch(x.device(), y.numel(),
           Forward<T>{s, y.data<T>(), x.data<T>(), weight.data<P>(), pointer<P>(epilogue.scale),
                      pointer<P>(epilogue.shift), pointer<T>(epilogue.residual), epilogue.relu},
           s.in * s.kh * s.kw);
  });
}

void conv2d_backward_input(const Tensor& dx, const Tensor& dy, const Tensor& weight, ConvOptions options) {
  const ConvShape s = conv_shape(dx, dy, weight, options);
  dispatch_floating("conv2d backward", dy.dtype(), [&]<class T>() {
    using P = parameter_t<T>;
    const int64_t cost = s.out * s.kh * s.kw;
    if (dx.dtype() == dy.dtype())
      return launch(dy.device(), dx.numel(), BackwardInput<T, T>{s, dx.data<T>(), dy.data<T>(), weight.data<P>()},
                    cost);
    launch(dy.device(), dx.numel(), BackwardInput<T, P>{s, dx.data<P>(), dy.data<T>(), weight.data<P>()}, cost);
  });
}

void conv2d_backward_weight(const Tensor& dweight, const Tensor& x, const Tensor& dy, ConvOptions options) {
  const ConvShape s = conv_shape(x, dy, dweight, options);
  dispatch_floating("conv2d backward", dy.dtype(), [&]<class T>() {
    launch(dy.device(), dweight.numel(),
           BackwardWeight<T>{s, dweight.data<parameter_t<T>>(), x.data<T>(), dy.data<T>()}, s.n * s.oh * s.ow);
  });
}

}  // namespace bevgrad::cuda::direct
