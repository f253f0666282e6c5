#include "autograd/functions/conv.h"

#include "functions/internal/conv_support.h"
#include "functions/internal/conv_twice.h"
#include "functions/internal/float16.h"
#include "internal/remake.h"
#include "tensor/compare.h"

namespace bevgrad {
namespace {

using conv_support::activation;

// Checks an application and gives its output's sizes.
Shape output_sizes(std::string_view op, const Tensor& x, const Tensor& weight, const Conv2dOptions& options) {
  conv_support::check_dtypes(op, x, weight);
  check(x.dim() == 4 && weight.dim() == 4, "{}: expected input [N,C,H,W] and weight [K,C/groups,kh,kw], got {} and {}",
        op, to_string(x.sizes()), to_string(weight.sizes()));
  conv_support::check_groups(op, weight, options.groups);
  const int64_t expected = weight.size(1) * options.groups;
  check(x.size(1) == expected, "{}: input {} has {} channels, weight {} expects {}{}", op, to_string(x.sizes()),
        x.size(1), to_string(weight.sizes()), expected,
        options.groups == 1 ? "" : fmt::format(" with {} groups", options.groups));
  conv_support::check_window(op, options.stride, options.padding, options.dilation);
  const auto size = [&](int dim, int stride, int padding, int dilation) {
    const int64_t kernel = weight.size(dim), padded = x.size(dim) + 2 * padding;
    check(kernel >= 1, "{}: the kernel of weight {} is empty", op, to_string(weight.sizes()));
    check(padded >= dilation * (kernel - 1) + 1,
          "{}: the kernel of weight {}{} is larger than input {} with padding {}", op, to_string(weight.sizes()),
          dilation == 1 ? "" : fmt::format(" with dilation {}", dilation), to_string(x.sizes()),
          to_string(options.padding));
    return conv_size(x.size(dim), kernel, stride, padding, dilation);
  };
  return {x.size(0), weight.size(0), size(2, options.stride.h, options.padding.h, options.dilation.h),
          size(3, options.stride.w, options.padding.w, options.dilation.w)};
}

void check_channels(std::string_view op, std::string_view what, const Tensor& vector, const Tensor& weight) {
  if (!vector.defined()) return;
  check(vector.sizes() == Shape{weight.size(0)} && vector.dtype() == weight.dtype(), "{}: {} is {}, expected {} [{}]",
        op, what, describe(vector), name(weight.dtype()), weight.size(0));
}

Tensor run_forward(const Tensor& x, const Tensor& weight, const ConvEpilogue& epilogue, ConvOptions options,
                   const Shape& sizes) {
  const Tensor y = empty(sizes, {x.dtype(), MemoryFormat::ChannelsLast, x.device()});
  run_kernel(backend(x.device()).conv2d_forward, "conv2d", x.device(), y, x, ops::contiguous(weight), epilogue,
             options);
  return y;
}

}  // namespace

Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Conv2dOptions& options) {
  if (is_float16(x)) return to(conv2d(in_float32(x), in_float32(weight), in_float32(bias), options), DType::Float16);
  const OpScope scope("conv2d", {{"x", x}, {"weight", weight}});
  const Shape sizes = output_sizes("conv2d", x, weight, options);
  check_channels("conv2d", "bias", bias, weight);
  const bool recorded = will_record({x, weight, bias});
  const ConvOptions kernel{options.stride, options.padding, conv_support::may_keep(weight, recorded), options.dilation,
                           options.groups};
  const Tensor input = activation(x, compute_dtype(x));
  Tensor y = run_forward(
      input, weight, {.shift = bias.defined() ? ops::contiguous(bias) : Tensor(), .relu = options.relu}, kernel, sizes);
  if (!recorded) return record("conv2d", y, {x, weight, bias}, nullptr);

  auto rule = [input_ = requires_grad(weight) ? tape::KeptInput(input) : tape::KeptInput(), weight_ = Saved(weight),
               y_ = options.relu ? Saved(y) : Saved(), x_sizes = x.sizes(), x_dtype = x.dtype(),
               kernel](const Tensor& dy, const NeedsGrad& needs) {
    const Tensor& w = weight_.get();
    if (rule::is_recorded()) {
      rule::check_not_narrowed("conv2d", dy, x_dtype);
      const Tensor dz = y_.defined() ? mul(dy, ops::to(gt(y_.get(), 0.0), dy.dtype())) : dy;
      return conv_twice::gradients(dz, input_, w, x_sizes, kernel, needs);
    }
    const Backend& device = backend(dy.device());
    const Tensor dz = conv_support::masked(dy, y_.get());
    Grads grads(3);
    // The weight's first: an input that was computed again for it need not lie beside its own gradient.
    if (needs[1]) {
      grads[1] = empty(w.sizes(), {w.dtype(), {}, dy.device()});
      run_kernel(device.conv2d_backward_weight, "conv2d backward", dy.device(), grads[1], input_.get(), dz, kernel);
    }
    if (needs[0]) {
      grads[0] = empty(x_sizes, {x_dtype, MemoryFormat::ChannelsLast, dy.device()});
      run_kernel(device.conv2d_backward_input, "conv2d backward", dy.device(), grads[0], dz, ops::contiguous(w),
                 kernel);
    }
    if (needs[2]) grads[2] = conv_support::sum_channels(dz);
    return grads;
  };
  return record("conv2d", y, {x, weight, bias}, twice(std::move(rule)));
}

Tensor conv2d_affine(const Tensor& x, const Tensor& weight, const ConvEpilogue& epilogue,
                     const Conv2dOptions& options) {
  const OpScope scope("conv2d_affine", {{"x", x}, {"weight", weight}});
  const Shape sizes = output_sizes("conv2d_affine", x, weight, options);
  check(!will_record({x, weight, epilogue.scale, epilogue.shift, epilogue.residual}),
        "conv2d_affine: it has no gradient; use conv2d and batch_norm, or a NoGradGuard");
  for (const Tensor* vector : {&epilogue.scale, &epilogue.shift})
    check(!vector->defined() || vector->is_contiguous(), "conv2d_affine: scale and shift must be contiguous");
  check_channels("conv2d_affine", "scale", epilogue.scale, weight);
  check_channels("conv2d_affine", "shift", epilogue.shift, weight);
  ConvEpilogue fused = epilogue;
  fused.relu |= options.relu;
  const DType dtype = compute_dtype(x);
  if (fused.residual.defined()) {
    check(fused.residual.sizes() == sizes, "conv2d_affine: residual is {}, the output {}",
          to_string(fused.residual.sizes()), to_string(sizes));
    fused.residual = activation(fused.residual, dtype);
  }
  Tensor y = run_forward(activation(x, dtype), weight, fused,
                         {options.stride, options.padding, true, options.dilation, options.groups}, sizes);
  return record("conv2d_affine", std::move(y), {x, weight, epilogue.scale, epilogue.shift, epilogue.residual}, nullptr);
}

}  // namespace bevgrad
