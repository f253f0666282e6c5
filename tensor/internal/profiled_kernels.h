// What a profile knows of each kernel of the contract with a device.
#pragma once
#include <tuple>

#include "tensor/backend.h"

namespace bevgrad {

/// An entry as a profile shows it; `flops` of a call (null: the kernel is bound by memory).
template <class... Parameters>
struct ProfiledKernel {
  void (*Backend::*entry)(Parameters...);
  const char* name;
  double (*flops)(Parameters...) = nullptr;
};
template <class... Parameters>
ProfiledKernel(void (*Backend::*)(Parameters...), const char*) -> ProfiledKernel<Parameters...>;
template <class... Parameters>
ProfiledKernel(void (*Backend::*)(Parameters...), const char*, double (*)(Parameters...))
    -> ProfiledKernel<Parameters...>;

/// Multiply-adds of one pass of a convolution, twice; `y` is its output (or the gradient of that).
inline double conv_flops(const Tensor& y, const Tensor& weight) {
  return 2.0 * static_cast<double>(y.numel()) * static_cast<double>(weight.numel() / weight.size(0));
}

/// All of them; profile.cpp makes its forwarders of this list and refuses to build where an entry is missing.
inline constexpr std::tuple kProfiledKernels{
    ProfiledKernel{&Backend::conv2d_forward, "conv2d",
                   +[](const Tensor& y, const Tensor&, const Tensor& weight, const ConvEpilogue&, ConvOptions) {
                     return conv_flops(y, weight);
                   }},
    ProfiledKernel{
        &Backend::conv2d_backward_input, "conv2d backward input",
        +[](const Tensor&, const Tensor& dy, const Tensor& weight, ConvOptions) { return conv_flops(dy, weight); }},
    ProfiledKernel{
        &Backend::conv2d_backward_weight, "conv2d backward weight",
        +[](const Tensor& dweight, const Tensor&, const Tensor& dy, ConvOptions) { return conv_flops(dy, dweight); }},
    ProfiledKernel{&Backend::max_pool2d_forward, "max pool"},
    ProfiledKernel{&Backend::max_pool2d_backward, "max pool backward"},
    ProfiledKernel{&Backend::channel_statistics, "channel statistics"},
    ProfiledKernel{&Backend::channel_affine, "channel affine"},
    ProfiledKernel{&Backend::channel_sums, "channel sums"},
    ProfiledKernel{&Backend::channel_affine_backward, "channel affine backward"},
    ProfiledKernel{&Backend::norm_forward, "norm forward"},
    ProfiledKernel{&Backend::norm_backward, "norm backward"},
    ProfiledKernel{&Backend::matmul, "matmul",
                   +[](const Tensor& c, const Tensor& a, const Tensor&, bool transpose_a, bool, const MatmulEpilogue&) {
                     return 2.0 * static_cast<double>(c.numel() * a.size(transpose_a ? 0 : 1));
                   }},
};

}  // namespace bevgrad
