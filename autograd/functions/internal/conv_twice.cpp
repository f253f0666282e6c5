#include "functions/internal/conv_twice.h"

#include "autograd/functions/conv_transpose.h"
#include "autograd/functions/reduce.h"

namespace bevgrad {
namespace {

Conv2dOptions forward_options(const ConvOptions& o) {
  return {o.stride, o.padding, o.dilation, o.groups};
}

// What a transposed convolution must add at the end to get back to `size`.
int missing(int64_t size, int64_t shown, int64_t kernel, int stride, int padding, int dilation) {
  return static_cast<int>(size - ((shown - 1) * stride - 2 * padding + dilation * (kernel - 1) + 1));
}

// The gradient of the weight [K,C/groups,kh,kw] of a convolution from wide [N,C,H,W] to narrow [N,K,OH,OW]: samples and
// channels change places, and so do stride and dilation.
Tensor weight_gradient(const Tensor& wide, const Tensor& narrow, const Shape& sizes, const ConvOptions& o) {
  std::vector<Tensor> of_groups;
  const int64_t inputs = wide.size(1) / o.groups, outputs = narrow.size(1) / o.groups;
  for (int group = 0; group < o.groups; ++group) {
    const Tensor seen = transpose(bevgrad::narrow(wide, 1, group * inputs, inputs), 0, 1);
    const Tensor kernel = transpose(bevgrad::narrow(narrow, 1, group * outputs, outputs), 0, 1);
    const Tensor all = conv2d(seen, kernel, {}, {.stride = o.dilation, .padding = o.padding, .dilation = o.stride});
    // Rows and columns that no step of the convolution reached give more places than the kernel has.
    const Tensor places = bevgrad::narrow(bevgrad::narrow(all, 2, 0, sizes[2]), 3, 0, sizes[3]);
    of_groups.push_back(transpose(places, 0, 1));
  }
  return of_groups.size() == 1 ? of_groups[0] : cat(of_groups, 0);
}

}  // namespace

Grads conv_twice::gradients(const Tensor& dz, const tape::KeptInput& x, const Tensor& weight, const Shape& x_sizes,
                            const ConvOptions& options, const NeedsGrad& needs) {
  Grads grads(3);
  if (needs[0]) {
    const auto& [stride, padding, dilation] = std::tie(options.stride, options.padding, options.dilation);
    const Pair added(missing(x_sizes[2], dz.size(2), weight.size(2), stride.h, padding.h, dilation.h),
                     missing(x_sizes[3], dz.size(3), weight.size(3), stride.w, padding.w, dilation.w));
    grads[0] = conv_transpose2d(dz, rule::input(1, weight), {}, {stride, padding, added, options.groups, dilation});
  }
  if (needs[1]) grads[1] = weight_gradient(rule::input(0, x.get()), dz, weight.sizes(), options);
  if (needs[2]) grads[2] = sum(dz, {0, 2, 3});
  return grads;
}

Grads conv_twice::transposed_gradients(const Tensor& dz, const tape::KeptInput& x, const Tensor& weight,
                                       const ConvOptions& options, const NeedsGrad& needs) {
  Grads grads(3);
  if (needs[0]) grads[0] = conv2d(dz, rule::input(1, weight), {}, forward_options(options));
  if (needs[1]) grads[1] = weight_gradient(dz, rule::input(0, x.get()), weight.sizes(), options);
  if (needs[2]) grads[2] = sum(dz, {0, 2, 3});
  return grads;
}

}  // namespace bevgrad
