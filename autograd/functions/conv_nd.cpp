#include "autograd/functions/conv_nd.h"

#include "autograd/functions/arrange.h"
#include "autograd/functions/pointwise.h"
#include "autograd/functions/shape.h"

namespace bevgrad {
namespace {

void check_ranks(const char* op, const Tensor& x, const Tensor& weight, int rank) {
  tape::check_defined(op, {{"x", x}, {"weight", weight}});
  check(x.dim() == rank && weight.dim() == rank, "{}: input {} and weight {}, expected {} dimensions each", op,
        to_string(x.sizes()), to_string(weight.sizes()), rank);
}

void check_depth(const char* op, const Tensor& x, const Tensor& weight, Triple stride, Triple padding,
                 Triple dilation) {
  check(stride.d >= 1 && padding.d >= 0 && dilation.d >= 1 && weight.size(2) >= 1,
        "{}: stride {} and dilation {} must be positive, padding {} not negative, weight {} not empty", op, stride.d,
        dilation.d, padding.d, to_string(weight.sizes()));
  check(x.size(2) >= 1, "{}: input {} has no depth", op, to_string(x.sizes()));
}

// [N,C,D,H,W] <-> [N,D,C,H,W]
Tensor swap_depth(const Tensor& x) {
  return transpose(x, 1, 2);
}

// [N,D,C,H,W] as N D planes, and back.
Tensor planes(const Tensor& x) {
  return reshape(x, {x.size(0) * x.size(1), x.size(2), x.size(3), x.size(4)});
}
Tensor volumes(const Tensor& planes, int64_t n, int64_t depth) {
  return reshape(planes, {n, depth, planes.size(1), planes.size(2), planes.size(3)});
}

}  // namespace

Tensor conv1d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Conv1dOptions& o) {
  check_ranks("conv1d", x, weight, 3);
  return squeeze(
      conv2d(unsqueeze(x, 2), unsqueeze(weight, 2), bias, {{1, o.stride}, {0, o.padding}, {1, o.dilation}, o.groups}),
      2);
}

Tensor conv_transpose1d(const Tensor& x, const Tensor& weight, const Tensor& bias, const ConvTranspose1dOptions& o) {
  check_ranks("conv_transpose1d", x, weight, 3);
  return squeeze(conv_transpose2d(unsqueeze(x, 2), unsqueeze(weight, 2), bias,
                                  {{1, o.stride}, {0, o.padding}, {0, o.output_padding}, o.groups, {1, o.dilation}}),
                 2);
}

Tensor conv3d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Conv3dOptions& o) {
  check_ranks("conv3d", x, weight, 5);
  check_depth("conv3d", x, weight, o.stride, o.padding, o.dilation);
  const int64_t taps = weight.size(2), reach = o.dilation.d * (taps - 1) + 1;
  check(x.size(2) + 2 * o.padding.d >= reach, "conv3d: the kernel of weight {} is deeper than input {} with padding {}",
        to_string(weight.sizes()), to_string(x.sizes()), o.padding.d);
  const int64_t depth = conv_size(x.size(2), taps, o.stride.d, o.padding.d, o.dilation.d);
  const Tensor bordered = pad(swap_depth(x), {0, 0, 0, 0, 0, 0, o.padding.d, o.padding.d});
  Tensor sum;
  for (int64_t tap = 0; tap < taps; ++tap) {
    const int64_t first = tap * o.dilation.d;
    const Tensor seen = slice(bordered, 1, first, first + (depth - 1) * o.stride.d + 1, o.stride.d);
    const Tensor part = conv2d(planes(seen), select(weight, 2, tap), tap == 0 ? bias : Tensor(),
                               {o.stride.plane(), o.padding.plane(), o.dilation.plane(), o.groups});
    sum = tap == 0 ? part : add(sum, part);
  }
  return swap_depth(volumes(sum, x.size(0), depth));
}

Tensor conv_transpose3d(const Tensor& x, const Tensor& weight, const Tensor& bias, const ConvTranspose3dOptions& o) {
  check_ranks("conv_transpose3d", x, weight, 5);
  check_depth("conv_transpose3d", x, weight, o.stride, o.padding, o.dilation);
  check(o.output_padding.d >= 0 && (o.output_padding.d < o.stride.d || o.output_padding.d < o.dilation.d),
        "conv_transpose3d: output_padding {} must be smaller than the stride {} or the dilation {}", o.output_padding.d,
        o.stride.d, o.dilation.d);
  const int64_t n = x.size(0), depth = x.size(2), taps = weight.size(2), spread = (depth - 1) * o.stride.d + 1;
  const int64_t last = o.dilation.d * (taps - 1);  // how far the last tap throws
  const int64_t result = spread - 2 * o.padding.d + last + o.output_padding.d;
  check(result > 0, "conv_transpose3d: input {} with weight {} and padding {} gives a depth of {}",
        to_string(x.sizes()), to_string(weight.sizes()), o.padding.d, result);
  const Tensor inputs = planes(swap_depth(x));
  Tensor sum;
  for (int64_t tap = 0; tap < taps; ++tap) {
    const Tensor part =
        conv_transpose2d(inputs, select(weight, 2, tap), {},
                         {o.stride.plane(), o.padding.plane(), o.output_padding.plane(), o.groups, o.dilation.plane()});
    // Planes of one input depth each, brought `stride` apart and to where this tap throws them.
    const Tensor apart = pad(unsqueeze(volumes(part, n, depth), 2), {0, 0, 0, 0, 0, 0, 0, o.stride.d - 1});
    const Tensor line =
        narrow(reshape(apart, {n, depth * o.stride.d, part.size(1), part.size(2), part.size(3)}), 1, 0, spread);
    const int64_t first = tap * o.dilation.d;
    const Tensor placed = pad(line, {0, 0, 0, 0, 0, 0, first, last - first + o.output_padding.d});
    sum = tap == 0 ? placed : add(sum, placed);
  }
  const Tensor y = swap_depth(narrow(sum, 1, o.padding.d, result));
  if (!bias.defined()) return y;
  check(bias.sizes() == Shape{y.size(1)}, "conv_transpose3d: bias is {}, expected [{}]", describe(bias), y.size(1));
  return add(y, to(reshape(bias, {y.size(1), 1, 1, 1}), y.dtype()));
}

}  // namespace bevgrad
