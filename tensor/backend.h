// The contract between the engine and a device: one struct of function pointers for the heavy operations, filled per
// device by designated initialisers (tensor/cpu/backend.h, tensor/cuda/backend.h). A kernel that a device lacks is
// written as nullptr; calling it is a clear error. Per-element and per-index code is not here: it is single-source
// (tensor/launch.h).
//
// Callers have checked shapes, dtypes and devices, and pass outputs that are already allocated. Kernels handle every
// size, empty ones included. 4-D activations arrive channels-last; weights are [out, in / groups, kh, kw], contiguous.
// Activations are float32, bfloat16 or float64; a kernel's parameters (weights, biases, scales) and their gradients are
// float32, or float64 where the activations are.
#pragma once
#include <string_view>

#include "tensor/pair.h"
#include "tensor/tensor.h"

namespace bevgrad {

struct ConvOptions {
  Pair stride = 1;
  Pair padding = 0;
  /// The weight will be used again unwritten (frozen, or inference): its prepared copy is kept. A kept copy is found by
  /// storage and version, so a write in place makes it stale, never wrong.
  bool keep_weight = false;
  /// Distance between neighbouring entries of the kernel in the input.
  Pair dilation = 1;
  /// Output channels are split into so many groups, each of which sees its own part of the input channels.
  int groups = 1;
};

/// Outputs along a dimension of `size` where kernels (`kernel` entries, `dilation` apart) start every `stride`.
constexpr int64_t conv_size(int64_t size, int64_t kernel, int64_t stride, int64_t padding, int64_t dilation) {
  return (size + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1;
}

/// What may follow a convolution in the same primitive: y = relu?(conv * scale[c] + shift[c] + residual). A NaN passes
/// through relu (on the CPU; cuDNN's and cuBLASLt's fused kernels do not promise it).
struct ConvEpilogue {
  Tensor scale = {};     // [out] or undefined
  Tensor shift = {};     // [out] or undefined
  Tensor residual = {};  // like the output, or undefined
  bool relu = false;
};

struct MatmulEpilogue {
  Tensor shift = {};  // [n] or undefined
  bool relu = false;
};

/// Per-channel coefficients of the gradient of a normalisation: dx = a[c] dz + b[c] x + d[c]. `b`, `d` may be
/// undefined.
struct ChannelGradient {
  Tensor a = {}, b = {}, d = {};
};

/// A batch normalisation that trains, and what it keeps of the batch: mean and 1 / sqrt(variance + eps), float64 [C],
/// and the normalisation as x * scale + shift. The running statistics may be undefined: they are left alone.
struct NormParameters {
  Tensor gamma = {}, beta = {}, running_mean = {}, running_var = {};
  double momentum = 0.1, eps = 1e-5;
};
struct NormState {
  Tensor mean = {}, inv_std = {}, scale = {}, shift = {};
};

/// Where a ReLU let values through, for the gradient: where y > 0 or is NaN; without y, where x * scale[c] + shift[c]
/// is, which is its input again where channel_affine made it of x; without either, everywhere.
struct ReluMask {
  Tensor y = {}, scale = {}, shift = {};
};

/// The entries of a backend, each with the type of its function: a device's own declarations come from these types.
namespace kernels {

/// x [N,C,H,W], weight [K,C/groups,kh,kw] -> y [N,K,OH,OW]; OH = conv_size(H, kh, ...).
using Conv2dForward = void(const Tensor& y, const Tensor& x, const Tensor& weight, const ConvEpilogue& epilogue,
                           ConvOptions options);
/// dx [N,C,H,W] from dy [N,K,OH,OW]. With x and y exchanged it is the forward pass of a transposed convolution.
using Conv2dBackwardInput = void(const Tensor& dx, const Tensor& dy, const Tensor& weight, ConvOptions options);
/// dweight [K,C/groups,kh,kw] from x and dy.
using Conv2dBackwardWeight = void(const Tensor& dweight, const Tensor& x, const Tensor& dy, ConvOptions options);

/// y [N,C,OH,OW]; `index` uint8 of the same shape: position kh*kw-wise of the maximum within its window (the first
/// one; a NaN wins). Padding counts as -infinity. `index` may be undefined (no gradient wanted). A window has at most
/// 255 places, one of them inside x.
using MaxPool2dForward = void(const Tensor& y, const Tensor& index, const Tensor& x, Pair kernel, ConvOptions options);
using MaxPool2dBackward = void(const Tensor& dx, const Tensor& dy, const Tensor& index, Pair kernel,
                               ConvOptions options);

// Normalisation looks at an activation as rows of channels: [N,C,H,W] channels-last is N*H*W rows, [M,C] is M.

/// Mean and biased variance of every channel, float64 [C]; both stay as they are where there is no row.
using ChannelStatistics = void(const Tensor& mean, const Tensor& variance, const Tensor& x);
/// y = relu?(x * scale[c] + shift[c] + residual); `residual` may be undefined, y may be x.
using ChannelAffine = void(const Tensor& y, const Tensor& x, const Tensor& scale, const Tensor& shift,
                           const Tensor& residual, bool relu);
/// With dz = dy where `mask` holds: sum_dz[c] and sum_dz_x[c] = sum of dz * (x - mean[c]), float64 [C]; dz is written
/// out if it is defined. mean and sum_dz_x may be undefined together; x too, unless the mask needs it.
using ChannelSums = void(const Tensor& sum_dz, const Tensor& sum_dz_x, const Tensor& dz, const Tensor& dy,
                         const ReluMask& mask, const Tensor& x, const Tensor& mean);
/// dx = a[c] dz + b[c] x + d[c] with dz as above; dx may be dy. x may be undefined where neither b nor the mask needs
/// it.
using ChannelAffineBackward = void(const Tensor& dx, const Tensor& dy, const ReluMask& mask, const Tensor& x,
                                   const ChannelGradient& gradient);

/// Optional, where fewer and larger steps pay: channel_statistics and all that follows it of a channel, for a batch
/// that is all here and has rows.
using NormForward = void(const NormState& state, const Tensor& x, const NormParameters& norm);
/// Optional: channel_sums, and of them the parameters' gradients (undefined: not wanted) and the coefficients of
/// channel_affine_backward (undefined: not wanted), for a batch as above.
using NormBackward = void(const ChannelGradient& gradient, const Tensor& dgamma, const Tensor& dbeta, const Tensor& dz,
                          const Tensor& dy, const ReluMask& mask, const Tensor& x, const Tensor& gamma,
                          const NormState& state);

/// c [m,n] = relu?(op(a) x op(b) + shift[n]), 2-D, contiguous. a and b share a dtype; c has it too, or is float32.
using Matmul = void(const Tensor& c, const Tensor& a, const Tensor& b, bool transpose_a, bool transpose_b,
                    const MatmulEpilogue& epilogue);

}  // namespace kernels

struct Backend {
  const char* name;
  kernels::Conv2dForward* conv2d_forward;
  kernels::Conv2dBackwardInput* conv2d_backward_input;
  kernels::Conv2dBackwardWeight* conv2d_backward_weight;
  kernels::MaxPool2dForward* max_pool2d_forward;
  kernels::MaxPool2dBackward* max_pool2d_backward;
  kernels::ChannelStatistics* channel_statistics;
  kernels::ChannelAffine* channel_affine;
  kernels::ChannelSums* channel_sums;
  kernels::ChannelAffineBackward* channel_affine_backward;
  kernels::NormForward* norm_forward;
  kernels::NormBackward* norm_backward;
  kernels::Matmul* matmul;
};

/// The table of a device; throws where this build has none for it.
const Backend& backend(Device device);

/// Calls a kernel of the table, or says which one the device lacks.
template <class... Parameters, class... Arguments>
void run_kernel(void (*kernel)(Parameters...), std::string_view name, Device device, Arguments&&... arguments) {
  check(kernel != nullptr, "{}: {} has no kernel for it", name, to_string(device));
  kernel(std::forward<Arguments>(arguments)...);
}

}  // namespace bevgrad
