// The contract between the engine and a device: one struct of function pointers for the heavy operations, filled per
// device by designated initialisers. A kernel that a device lacks is written as nullptr; calling it is a clear error.
// Per-element and per-index code is not here: it is single-source (tensor/launch.h).
//
// Callers have checked shapes, dtypes and devices, and pass outputs that are already allocated. Kernels handle every
// size, empty ones included. 4-D activations arrive channels-last; weights are [out, in, kh, kw], contiguous.
#pragma once
#include "tensor/tensor.h"

namespace bevgrad {

struct ConvOptions {
  int stride = 1;
  int padding = 0;
};

/// What may follow a convolution in the same primitive: y = relu?(conv * scale[c] + shift[c] + residual).
struct ConvEpilogue {
  Tensor scale;     // [out] float32 or undefined
  Tensor shift;     // [out] float32 or undefined
  Tensor residual;  // like the output, or undefined
  bool relu = false;
};

struct Backend {
  const char* name;

  /// x [N,C,H,W], weight [K,C,kh,kw] -> y [N,K,OH,OW]; OH = (H + 2 padding - kh) / stride + 1.
  void (*conv2d_forward)(const Tensor& y, const Tensor& x, const Tensor& weight, const ConvEpilogue& epilogue,
                         ConvOptions options);
  /// dx [N,C,H,W] from dy [N,K,OH,OW]. With x and y exchanged it is the forward pass of a transposed convolution.
  void (*conv2d_backward_input)(const Tensor& dx, const Tensor& dy, const Tensor& weight, ConvOptions options);
  /// dweight [K,C,kh,kw] from x and dy.
  void (*conv2d_backward_weight)(const Tensor& dweight, const Tensor& x, const Tensor& dy, ConvOptions options);

  /// y [N,C,OH,OW]; `index` int32 of the same shape: position kh*kw-wise of the maximum within its window (the first
  /// one). Padding counts as -infinity. `index` may be undefined (no gradient wanted).
  void (*max_pool2d_forward)(const Tensor& y, const Tensor& index, const Tensor& x, int kernel, ConvOptions options);
  void (*max_pool2d_backward)(const Tensor& dx, const Tensor& dy, const Tensor& index, int kernel, ConvOptions options);

  /// c [m,n] = op(a) x op(b), 2-D.
  void (*matmul)(const Tensor& c, const Tensor& a, const Tensor& b, bool transpose_a, bool transpose_b);
};

/// The table of a device; throws where this build has none for it.
const Backend& backend(Device device);

}  // namespace bevgrad
