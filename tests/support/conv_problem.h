// A convolution with random operands, and its passes through the backend table.
#pragma once
#include <ostream>

#include "support/kernel_problem.h"
#include "tensor/backend.h"

namespace bevgrad {

struct ConvCase {
  int64_t n, c, h, w, k;
  int kernel, stride, padding;
  int dilation = 1, groups = 1;

  friend std::ostream& operator<<(std::ostream& out, const ConvCase& s) {
    return out << "[" << s.n << "," << s.c << "," << s.h << "," << s.w << "] to " << s.k << ", kernel " << s.kernel
               << ", stride " << s.stride << ", padding " << s.padding << ", dilation " << s.dilation << ", groups "
               << s.groups;
  }
};

/// Odd sizes, single images, channels around the blocks of vector units and tensor cores, the network's kinds of
/// layers.
inline const ConvCase kConvCases[] = {
    {1, 3, 33, 47, 64, 7, 2, 3},
    {2, 16, 9, 7, 32, 3, 1, 1},
    {1, 64, 8, 13, 64, 3, 1, 1},
    {2, 33, 7, 9, 17, 3, 2, 1},
    {3, 32, 5, 5, 9, 1, 1, 0},
    {1, 64, 10, 7, 128, 1, 2, 0},
    {2, 24, 6, 8, 16, 2, 2, 0},
    {1, 128, 6, 5, 128, 3, 1, 1},
    {2, 1, 4, 3, 1, 3, 1, 1},
    {1, 256, 4, 7, 48, 3, 1, 1},
    {4, 5, 1, 1, 6, 1, 1, 0},
    // Depthwise, with a multiplier, groups, dilation, both.
    {2, 64, 9, 13, 64, 3, 1, 1, 1, 64},
    {1, 19, 8, 7, 19, 5, 2, 2, 1, 19},
    {1, 24, 6, 5, 48, 3, 1, 1, 1, 24},
    {2, 32, 7, 6, 64, 3, 2, 1, 1, 4},
    {1, 6, 5, 7, 9, 3, 1, 1, 1, 3},
    {2, 48, 6, 7, 48, 1, 2, 0, 1, 3},
    {1, 32, 12, 9, 32, 3, 1, 2, 2},
    {1, 7, 11, 9, 5, 3, 2, 3, 3},
    {1, 40, 9, 9, 40, 3, 1, 2, 2, 40},
};

struct ConvRun {
  Tensor x, weight, scale, shift, residual, dy;
  ConvOptions options;

  ConvRun to(Device device, DType activations) const {
    const DType parameters = parameters_of(activations);
    return {on(x, device, activations),
            on(weight, device, parameters),
            on(scale, device, parameters),
            on(shift, device, parameters),
            on(residual, device, activations),
            on(dy, device, activations),
            options};
  }
  const Backend& table() const { return backend(x.device()); }
  Tensor activation(const Shape& sizes, DType dtype) const {
    return empty(sizes, {dtype, MemoryFormat::ChannelsLast, x.device()});
  }

  Tensor forward(const ConvEpilogue& epilogue = {}) const {
    const Tensor y = activation(dy.sizes(), x.dtype());
    table().conv2d_forward(y, x, weight, epilogue, options);
    return y;
  }
  Tensor backward_input() const { return backward_input(x.dtype()); }
  Tensor backward_input(DType dtype) const {
    const Tensor dx = activation(x.sizes(), dtype);
    table().conv2d_backward_input(dx, dy, weight, options);
    return dx;
  }
  Tensor backward_weight() const {
    const Tensor dweight = empty(weight.sizes(), {weight.dtype(), {}, x.device()});
    table().conv2d_backward_weight(dweight, x, dy, options);
    return dweight;
  }
};

/// In float64 on the CPU.
inline ConvRun make_conv(const ConvCase& s) {
  Generator generator(5);
  const int64_t oh = conv_size(s.h, s.kernel, s.stride, s.padding, s.dilation);
  const int64_t ow = conv_size(s.w, s.kernel, s.stride, s.padding, s.dilation);
  const auto activation = [&](const Shape& sizes) {
    return ops::contiguous(exact(generator, sizes), MemoryFormat::ChannelsLast);
  };
  return {activation({s.n, s.c, s.h, s.w}),
          exact(generator, {s.k, s.c / s.groups, s.kernel, s.kernel}),
          exact(generator, {s.k}, 0.5, 1.5),
          exact(generator, {s.k}),
          activation({s.n, s.k, oh, ow}),
          activation({s.n, s.k, oh, ow}),
          {s.stride, s.padding, false, s.dilation, s.groups}};
}

}  // namespace bevgrad
