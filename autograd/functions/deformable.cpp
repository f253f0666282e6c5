#include "autograd/functions/deformable.h"

#include "autograd/functions/grid_sample.h"
#include "autograd/functions/linear.h"
#include "autograd/functions/pointwise.h"
#include "autograd/functions/reduce.h"
#include "autograd/functions/shape.h"
#include "functions/internal/conv_support.h"

namespace bevgrad {

Tensor multi_scale_deformable_attention(const Tensor& value, const std::vector<Pair>& spatial_shapes,
                                        const Tensor& sampling_locations, const Tensor& attention_weights) {
  constexpr const char* op = "multi_scale_deformable_attention";
  const Tensor &locations = sampling_locations, &weights = attention_weights;
  tape::check_defined(op, {{"value", value}, {"sampling_locations", locations}, {"attention_weights", weights}});
  int64_t places = 0;
  for (const Pair size : spatial_shapes) places += int64_t{size.h} * size.w;
  const auto levels = static_cast<int64_t>(spatial_shapes.size());
  check(value.dim() == 4 && value.size(1) == places && levels > 0, "{}: value {}, expected [N,{},heads,D]", op,
        to_string(value.sizes()), places);
  const int64_t n = value.size(0), heads = value.size(2), width = value.size(3);
  check(locations.dim() == 6 && locations.size(0) == n && locations.size(2) == heads && locations.size(3) == levels &&
            locations.size(5) == 2,
        "{}: sampling_locations {}, expected [{},L,{},{},points,2]", op, to_string(locations.sizes()), n, heads,
        levels);
  const int64_t length = locations.size(1), points = locations.size(4);
  check(weights.sizes() == Shape{n, length, heads, levels, points} && weights.dtype() == value.dtype(),
        "{}: attention_weights are {}, expected {} [{},{},{},{},{}]", op, describe(weights), name(value.dtype()), n,
        length, heads, levels, points);
  // Heads become a part of the batch.
  const Tensor by_head = permute(value, {0, 2, 3, 1});                              // [N,heads,D,S]
  const Tensor grids = permute(sub(mul(locations, 2.0), 1.0), {3, 0, 2, 1, 4, 5});  // [levels,N,heads,L,points,2]
  const Tensor factors = permute(weights, {3, 0, 2, 1, 4});                         // [levels,N,heads,L,points]
  Tensor total;
  int64_t first = 0;
  for (int64_t level = 0; level < levels; ++level) {
    const Pair size = spatial_shapes[level];
    const int64_t count = int64_t{size.h} * size.w;
    const Tensor map = reshape(narrow(by_head, 3, first, count), {n * heads, width, size.h, size.w});
    const Tensor samples = grid_sample(map, reshape(select(grids, 0, level), {n * heads, length, points, 2}));
    const Tensor share = sum(mul(samples, reshape(select(factors, 0, level), {n * heads, 1, length, points})), {3});
    total = level == 0 ? share : add(total, share);
    first += count;
  }
  return reshape(permute(reshape(total, {n, heads, width, length}), {0, 3, 1, 2}), {n, length, heads * width});
}

Tensor deform_conv2d(const Tensor& x, const Tensor& offset, const Tensor& weight, const Tensor& bias,
                     const DeformConv2dOptions& o) {
  constexpr const char* op = "deform_conv2d";
  tape::check_defined(op, {{"x", x}, {"offset", offset}, {"weight", weight}});
  conv_support::check_dtypes(op, x, weight);
  conv_support::check_window(op, o.stride, o.padding, o.dilation);
  check(x.dim() == 4 && offset.dim() == 4 && weight.dim() == 4,
        "{}: input {}, offset {}, weight {}, expected 4 dimensions each", op, to_string(x.sizes()),
        to_string(offset.sizes()), to_string(weight.sizes()));
  const int64_t n = x.size(0), channels = x.size(1), h = x.size(2), w = x.size(3);
  const int64_t kh = weight.size(2), kw = weight.size(3), taps = kh * kw, in = weight.size(1);
  check(h + 2 * o.padding.h > o.dilation.h * (kh - 1) && w + 2 * o.padding.w > o.dilation.w * (kw - 1) && taps > 0,
        "{}: the kernel of weight {} is larger than input {} with padding {}", op, to_string(weight.sizes()),
        to_string(x.sizes()), to_string(o.padding));
  const int64_t rows = conv_size(h, kh, o.stride.h, o.padding.h, o.dilation.h);
  const int64_t columns = conv_size(w, kw, o.stride.w, o.padding.w, o.dilation.w);
  const int64_t moved = offset.size(1) / (2 * taps);  // offset groups
  check(moved > 0 && offset.sizes() == Shape{n, 2 * moved * taps, rows, columns} && channels % moved == 0,
        "{}: offset is {}, expected [{}, 2 * groups * {}, {},{}] with groups that divide {} channels", op,
        to_string(offset.sizes()), n, taps, rows, columns, channels);
  check(in > 0 && channels % in == 0 && weight.size(0) % (channels / in) == 0,
        "{}: input {} does not go with weight {}", op, to_string(x.sizes()), to_string(weight.sizes()));
  check(!o.mask.defined() || o.mask.sizes() == Shape{n, moved * taps, rows, columns},
        "{}: mask is {}, expected [{},{},{},{}]", op, o.mask.defined() ? to_string(o.mask.sizes()) : "", n,
        moved * taps, rows, columns);

  // Where each place of the kernel lies without its offset, in (x, y) as the grid has it: [1,taps,OH,OW,2].
  std::vector<double> base;
  for (int64_t tap = 0; tap < taps; ++tap)
    for (int64_t row = 0; row < rows; ++row)
      for (int64_t column = 0; column < columns; ++column) {
        base.push_back(static_cast<double>(column * o.stride.w - o.padding.w + tap % kw * o.dilation.w));
        base.push_back(static_cast<double>(row * o.stride.h - o.padding.h + tap / kw * o.dilation.h));
      }
  const TensorOptions like{offset.dtype(), {}, offset.device()};
  // Offsets come as (y, x); pixel p of a map of size s is at (2 p + 1) / s - 1 of the grid.
  const Tensor pairs = permute(reshape(offset, {n * moved, taps, 2, rows, columns}), {0, 1, 3, 4, 2});
  const Tensor swapped = cat({narrow(pairs, 4, 1, 1), narrow(pairs, 4, 0, 1)}, 4);
  const Tensor pixels = add(swapped, from_values(base, {1, taps, rows, columns, 2}, like));
  const Tensor scale = from_values({2.0 / static_cast<double>(w), 2.0 / static_cast<double>(h)}, {2}, like);
  const Tensor grid = sub(mul(add(pixels, 0.5), scale), 1.0);

  const Tensor maps = reshape(x, {n * moved, channels / moved, h, w});
  Tensor samples = grid_sample(maps, reshape(grid, {n * moved, taps * rows, columns, 2}));
  samples = reshape(samples, {n, moved, channels / moved, taps, rows * columns});
  if (o.mask.defined())
    samples = mul(samples, reshape(to(o.mask, samples.dtype()), {n, moved, 1, taps, rows * columns}));
  const int64_t groups = channels / in, outputs = weight.size(0);
  const Tensor seen = reshape(samples, {n, groups, in * taps, rows * columns});
  const Tensor factors = reshape(to(weight, x.dtype()), {groups, outputs / groups, in * taps});
  const Tensor y = reshape(matmul(factors, seen), {n, outputs, rows, columns});
  if (!bias.defined()) return y;
  check(bias.sizes() == Shape{outputs}, "{}: bias is {}, expected [{}]", op, describe(bias), outputs);
  return add(y, to(reshape(bias, {outputs, 1, 1}), y.dtype()));
}

}  // namespace bevgrad
