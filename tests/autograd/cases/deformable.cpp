#include "autograd/functions/deformable.h"

#include "autograd/functions/shape.h"
#include "autograd/op_cases.h"
#include "support/image.h"
#include "tensor/backend.h"

namespace bevgrad::testing {
namespace {

using Tensors = std::vector<Tensor>;

// Places stay float32 where values are bfloat16.
Tensor places(const Tensor& x) {
  return x.dtype() == DType::BFloat16 ? to(x, DType::Float32) : x;
}

double bilinear(const Image& map, int64_t n, int64_t c, double y, double x) {
  const double top = std::floor(y), left = std::floor(x), v = y - top, u = x - left;
  const auto row = static_cast<int64_t>(top), column = static_cast<int64_t>(left);
  return (1 - v) * ((1 - u) * map.get(n, c, row, column) + u * map.get(n, c, row, column + 1)) +
         v * ((1 - u) * map.get(n, c, row + 1, column) + u * map.get(n, c, row + 1, column + 1));
}

// inputs: value [N,S,heads,D], locations, weights.
Tensor plain_attention(const Tensors& t, const std::vector<Pair>& shapes) {
  const int64_t n = t[0].size(0), heads = t[0].size(2), width = t[0].size(3), length = t[1].size(1);
  const int64_t levels = t[1].size(3), points = t[1].size(4);
  const auto at = t[1].to_vector(), weights = t[2].to_vector();
  std::vector<double> result(static_cast<size_t>(n * length * heads * width), 0.0);
  int64_t first = 0;
  for (int64_t level = 0; level < levels; ++level) {
    const int64_t h = shapes[level].h, w = shapes[level].w;
    const Tensor part = ops::permute(ops::narrow(t[0], 1, first, h * w), {0, 2, 3, 1});
    const Image map(ops::reshape(part, {n, heads * width, h, w}));
    first += h * w;
    for (int64_t i = 0; i < n * length * heads * points; ++i) {
      const int64_t point = i % points, head = i / points % heads, query = i / points / heads;  // query of all images
      const int64_t place = ((query * heads + head) * levels + level) * points + point;
      const double x = at[2 * place] * static_cast<double>(w) - 0.5,
                   y = at[2 * place + 1] * static_cast<double>(h) - 0.5;
      for (int64_t d = 0; d < width; ++d)
        result[(query * heads + head) * width + d] +=
            weights[place] * bilinear(map, query / length, head * width + d, y, x);
    }
  }
  return from_values(result, {n, length, heads * width}, {DType::Float64});
}

// inputs: x, offset, weight, bias, mask.
Tensor plain_conv(const Tensors& t, const DeformConv2dOptions& o) {
  const Image x(t[0]), offset(t[1]), weight(t[2]), mask(t[4]);
  const auto bias = t[3].to_vector();
  const int64_t taps = weight.h * weight.w, moved = offset.c / (2 * taps), groups = x.c / weight.c;
  Image out(x.n, weight.n, offset.h, offset.w);
  out.for_each([&](int64_t n, int64_t k, int64_t row, int64_t column) {
    double sum = bias[k];
    for (int64_t c = 0; c < weight.c; ++c) {
      const int64_t channel = k / (weight.n / groups) * weight.c + c, mover = channel / (x.c / moved);
      for (int64_t tap = 0; tap < taps; ++tap) {
        const int64_t r = tap / weight.w, q = tap % weight.w, at = mover * taps + tap;
        const double down = static_cast<double>(row * o.stride.h - o.padding.h + r * o.dilation.h);
        const double right = static_cast<double>(column * o.stride.w - o.padding.w + q * o.dilation.w);
        sum += weight.get(k, c, r, q) * mask.get(n, at, row, column) *
               bilinear(x, n, channel, down + offset.get(n, 2 * at, row, column),
                        right + offset.get(n, 2 * at + 1, row, column));
      }
    }
    out.at(n, k, row, column) = sum;
  });
  return out.tensor();
}

OpCase conv_case(const std::string& variant, const Shape& x, const Shape& weight, int64_t moved,
                 DeformConv2dOptions o) {
  const int64_t taps = weight[2] * weight[3];
  const int64_t rows = conv_size(x[2], weight[2], o.stride.h, o.padding.h, o.dilation.h);
  const int64_t columns = conv_size(x[3], weight[3], o.stride.w, o.padding.w, o.dilation.w);
  return {.op = "deform_conv2d",
          .variant = variant,
          .inputs = {{x},
                     {{x[0], 2 * moved * taps, rows, columns}, -2, 2},
                     {weight},
                     {{weight[0]}},
                     {{x[0], moved * taps, rows, columns}}},
          .function =
              [o](const Tensors& t) {
                DeformConv2dOptions options = o;
                options.mask = t[4];
                return deform_conv2d(t[0], places(t[1]), places(t[2]), places(t[3]), options);
              },
          .reference = [o](const Tensors& t) { return plain_conv(t, o); },
          .empty = {{0, x[1], x[2], x[3]},
                    {0, 2 * moved * taps, rows, columns},
                    weight,
                    {weight[0]},
                    {0, moved * taps, rows, columns}},
          .float32_tolerance = 1e-4,
          .bfloat16_tolerance = -1};
}

}  // namespace

std::vector<OpCase> deformable_cases() {
  const std::vector<Pair> shapes{{3, 4}, {2, 1}};
  std::vector<OpCase> rows{
      {.op = "multi_scale_deformable_attention",
       .inputs = {{{2, 14, 2, 3}}, {{2, 5, 2, 2, 3, 2}, -0.2, 1.2}, {{2, 5, 2, 2, 3}}},
       .function =
           [shapes](const Tensors& t) { return multi_scale_deformable_attention(t[0], shapes, places(t[1]), t[2]); },
       .reference = [shapes](const Tensors& t) { return plain_attention(t, shapes); },
       .empty = {{2, 14, 2, 3}, {2, 0, 2, 2, 3, 2}, {2, 0, 2, 2, 3}},
       .errors = {{[] {
                     multi_scale_deformable_attention(zeros({1, 5, 1, 2}), {{2, 2}}, zeros({1, 1, 1, 1, 1, 2}),
                                                      zeros({1, 1, 1, 1, 1}));
                   },
                   "value [1,5,1,2], expected [N,4,heads,D]"},
                  {[] {
                     multi_scale_deformable_attention(zeros({1, 4, 1, 2}), {{2, 2}}, zeros({1, 1, 1, 2, 1, 2}),
                                                      zeros({1, 1, 1, 2, 1}));
                   },
                   "sampling_locations [1,1,1,2,1,2], expected [1,L,1,1,points,2]"}},
       .float32_tolerance = 1e-4,
       .bfloat16_tolerance = -1},
      conv_case("3x3", {2, 4, 5, 6}, {3, 4, 3, 3}, 1, {.padding = 1}),
      conv_case("groups", {1, 4, 6, 5}, {6, 2, 2, 3}, 2, {.stride = {1, 2}, .padding = {1, 0}, .dilation = {2, 1}}),
  };
  rows[1].errors = {{[] {
                       deform_conv2d(zeros({1, 4, 5, 5}), zeros({1, 9, 3, 3}), zeros({2, 4, 3, 3}));
                     },
                     "deform_conv2d: offset is [1,9,3,3], expected [1, 2 * groups * 9, 3,3]"}};
  return rows;
}

}  // namespace bevgrad::testing
