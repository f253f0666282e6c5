#include "autograd/functions/conv_transpose.h"

#include "functions/internal/conv_support.h"
#include "functions/internal/conv_twice.h"
#include "functions/internal/float16.h"
#include "internal/remake.h"

namespace bevgrad {
namespace {

Shape transposed_sizes(const Tensor& x, const Tensor& weight, const Tensor& bias,
                       const ConvTranspose2dOptions& options) {
  constexpr const char* op = "conv_transpose2d";
  conv_support::check_dtypes(op, x, weight);
  check(x.dim() == 4 && weight.dim() == 4, "{}: expected input [N,C,H,W] and weight [C,K/groups,kh,kw], got {} and {}",
        op, to_string(x.sizes()), to_string(weight.sizes()));
  check(x.size(1) == weight.size(0), "{}: input {} has {} channels, weight {} expects {}", op, to_string(x.sizes()),
        x.size(1), to_string(weight.sizes()), weight.size(0));
  conv_support::check_groups(op, weight, options.groups);
  conv_support::check_window(op, options.stride, options.padding, options.dilation);
  const int64_t channels = weight.size(1) * options.groups;
  check(!bias.defined() || (bias.sizes() == Shape{channels} && bias.dtype() == weight.dtype()),
        "{}: bias is {}, expected {} [{}]", op, describe(bias), name(weight.dtype()), channels);
  const auto size = [&](int dim, int stride, int padding, int added, int dilation) {
    check(added >= 0 && (added < stride || added < dilation),
          "{}: output_padding {} must be smaller than the stride {} or the dilation {}", op,
          to_string(options.output_padding), to_string(options.stride), to_string(options.dilation));
    return (x.size(dim) - 1) * stride - 2 * padding + dilation * (weight.size(dim) - 1) + added + 1;
  };
  const auto& [stride, padding, added, groups, dilation] = options;
  const Shape sizes{x.size(0), channels, size(2, stride.h, padding.h, added.h, dilation.h),
                    size(3, stride.w, padding.w, added.w, dilation.w)};
  check(x.size(2) > 0 && x.size(3) > 0 && sizes[2] > 0 && sizes[3] > 0, "{}: input {} with weight {} gives {}", op,
        to_string(x.sizes()), to_string(weight.sizes()), to_string(sizes));
  return sizes;
}

}  // namespace

Tensor conv_transpose2d(const Tensor& x, const Tensor& weight, const Tensor& bias,
                        const ConvTranspose2dOptions& options) {
  if (is_float16(x))
    return to(conv_transpose2d(in_float32(x), in_float32(weight), in_float32(bias), options), DType::Float16);
  const OpScope scope("conv_transpose2d", {{"x", x}, {"weight", weight}});
  const Shape sizes = transposed_sizes(x, weight, bias, options);
  const bool recorded = will_record({x, weight, bias});
  const ConvOptions kernel{options.stride, options.padding, conv_support::may_keep(weight, recorded), options.dilation,
                           options.groups};
  const Tensor input = conv_support::activation(x, compute_dtype(x));
  Tensor y = empty(sizes, {input.dtype(), MemoryFormat::ChannelsLast, x.device()});
  const Backend& device = backend(x.device());
  run_kernel(device.conv2d_backward_input, "conv_transpose2d", x.device(), y, input, ops::contiguous(weight), kernel);
  if (bias.defined()) {
    const Tensor scale = ones({sizes[1]}, {weight.dtype(), {}, x.device()});
    run_kernel(device.channel_affine, "conv_transpose2d", x.device(), y, y, scale, ops::contiguous(bias), Tensor(),
               false);
  }
  if (!recorded) return record("conv_transpose2d", y, {x, weight, bias}, nullptr);

  auto rule = [input_ = requires_grad(weight) ? tape::KeptInput(input) : tape::KeptInput(), weight_ = Saved(weight),
               x_sizes = x.sizes(), x_dtype = x.dtype(), kernel](const Tensor& dy, const NeedsGrad& needs) {
    const Tensor& w = weight_.get();
    if (rule::is_recorded()) {
      rule::check_not_narrowed("conv_transpose2d", dy, x_dtype);
      return conv_twice::transposed_gradients(dy, input_, w, kernel, needs);
    }
    const Backend& device = backend(dy.device());
    const Tensor dz = ops::contiguous(dy, MemoryFormat::ChannelsLast);
    Grads grads(3);
    // The weight's first: an input that was computed again for it need not lie beside its own gradient.
    if (needs[1]) {
      grads[1] = empty(w.sizes(), {w.dtype(), {}, dy.device()});
      run_kernel(device.conv2d_backward_weight, "conv_transpose2d backward", dy.device(), grads[1], dz, input_.get(),
                 kernel);
    }
    if (needs[0]) {
      const Tensor dx = empty(x_sizes, {dz.dtype(), MemoryFormat::ChannelsLast, dy.device()});
      run_kernel(device.conv2d_forward, "conv_transpose2d backward", dy.device(), dx, dz, ops::contiguous(w),
                 ConvEpilogue{}, kernel);
      grads[0] = ops::to(dx, x_dtype);
    }
    if (needs[2]) grads[2] = conv_support::sum_channels(dz);
    return grads;
  };
  return record("conv_transpose2d", y, {x, weight, bias}, twice(std::move(rule)));
}

}  // namespace bevgrad
