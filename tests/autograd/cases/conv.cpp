#include "autograd/functions/conv.h"

#include "autograd/functions/conv_transpose.h"
#include "autograd/functions/shape.h"
#include "autograd/op_cases.h"
#include "support/image.h"

namespace bevgrad::testing {
namespace {

using Tensors = std::vector<Tensor>;

// Weights stay float32 where activations are bfloat16.
Tensor parameter(const Tensor& x) {
  return x.dtype() == DType::BFloat16 ? to(x, DType::Float32) : x;
}

double bias_of(const Tensors& x, int64_t k) {
  return x.size() > 2 ? x[2].to_vector()[k] : 0.0;
}

Tensor plain_conv(const Tensors& x, const Conv2dOptions& o) {
  const Image in(x[0]), weight(x[1]);
  Image out(in.n, weight.n, conv_size(in.h, weight.h, o.stride.h, o.padding.h, o.dilation.h),
            conv_size(in.w, weight.w, o.stride.w, o.padding.w, o.dilation.w));
  out.for_each([&](int64_t n, int64_t k, int64_t y, int64_t z) {
    double sum = bias_of(x, k);
    const int64_t first = k / (weight.n / o.groups) * weight.c;
    for (int64_t c = 0; c < weight.c; ++c)
      for (int64_t r = 0; r < weight.h; ++r)
        for (int64_t q = 0; q < weight.w; ++q)
          sum += in.get(n, first + c, y * o.stride.h - o.padding.h + r * o.dilation.h,
                        z * o.stride.w - o.padding.w + q * o.dilation.w) *
                 weight.get(k, c, r, q);
    out.at(n, k, y, z) = o.relu && sum < 0 ? 0 : sum;
  });
  return out.tensor();
}

Tensor plain_conv_transpose(const Tensors& x, const ConvTranspose2dOptions& o) {
  const Image in(x[0]), weight(x[1]);
  const auto size = [](int64_t n, int64_t kernel, int stride, int padding, int added, int dilation) {
    return (n - 1) * stride - 2 * padding + dilation * (kernel - 1) + added + 1;
  };
  Image out(in.n, weight.c * o.groups, size(in.h, weight.h, o.stride.h, o.padding.h, o.output_padding.h, o.dilation.h),
            size(in.w, weight.w, o.stride.w, o.padding.w, o.output_padding.w, o.dilation.w));
  out.for_each([&](int64_t n, int64_t k, int64_t y, int64_t z) { out.at(n, k, y, z) = bias_of(x, k); });
  in.for_each([&](int64_t n, int64_t c, int64_t y, int64_t z) {
    const int64_t first = c / (in.c / o.groups) * weight.c;
    for (int64_t k = 0; k < weight.c; ++k)
      for (int64_t r = 0; r < weight.h; ++r)
        for (int64_t q = 0; q < weight.w; ++q) {
          const int64_t oy = y * o.stride.h - o.padding.h + r * o.dilation.h;
          const int64_t oz = z * o.stride.w - o.padding.w + q * o.dilation.w;
          if (out.inside(oy, oz)) out.at(n, first + k, oy, oz) += in.get(n, c, y, z) * weight.get(c, k, r, q);
        }
  });
  return out.tensor();
}

OpCase conv_case(const std::string& variant, const Shape& x, const Shape& weight, bool bias, const Conv2dOptions& o) {
  OpCase row{.op = "conv2d", .variant = variant, .inputs = {{x}, {weight}}};
  if (bias) row.inputs.push_back({{weight[0]}});
  row.function = [o](const Tensors& t) {
    return conv2d(t[0], parameter(t[1]), t.size() > 2 ? parameter(t[2]) : Tensor(), o);
  };
  row.reference = [o](const Tensors& t) { return plain_conv(t, o); };
  row.empty = {{0, x[1], x[2], x[3]}};
  row.bfloat16_tolerance = 0.1;
  return row;
}

OpCase transpose_case(const std::string& variant, const Shape& x, const Shape& weight, bool bias,
                      const ConvTranspose2dOptions& o) {
  OpCase row{.op = "conv_transpose2d", .variant = variant, .inputs = {{x}, {weight}}};
  if (bias) row.inputs.push_back({{weight[1] * o.groups}});
  row.function = [o](const Tensors& t) {
    return conv_transpose2d(t[0], parameter(t[1]), t.size() > 2 ? parameter(t[2]) : Tensor(), o);
  };
  row.reference = [o](const Tensors& t) { return plain_conv_transpose(t, o); };
  row.empty = {{0, x[1], x[2], x[3]}};
  row.bfloat16_tolerance = 0.1;
  return row;
}

}  // namespace

std::vector<OpCase> conv_cases() {
  std::vector<OpCase> rows{
      conv_case("3x3", {2, 3, 5, 7}, {4, 3, 3, 3}, true, {1, 1}),
      conv_case("3x3 stride 2 relu", {1, 4, 6, 5}, {3, 4, 3, 3}, true, {.stride = 2, .padding = 1, .relu = true}),
      conv_case("stem", {1, 3, 11, 9}, {16, 3, 7, 7}, false, {2, 3}),
      conv_case("1x1", {2, 16, 3, 4}, {9, 16, 1, 1}, true, {}),
      conv_case("1x1 stride 2", {2, 5, 4, 5}, {7, 5, 1, 1}, false, {2, 0}),
      conv_case("2x2 stride 2", {1, 3, 5, 6}, {2, 3, 2, 2}, false, {2, 0}),
      conv_case("one pixel", {1, 1, 1, 1}, {1, 1, 3, 3}, true, {1, 1}),
      conv_case("uneven kernel", {1, 2, 4, 5}, {3, 2, 3, 1}, true, {1, 1}),
      conv_case("depthwise", {2, 19, 5, 6}, {19, 1, 3, 3}, true, {.padding = 1, .groups = 19}),
      conv_case("depthwise with a multiplier", {1, 16, 7, 5}, {32, 1, 3, 3}, false, {.stride = 2, .groups = 16}),
      conv_case("groups", {2, 6, 5, 4}, {8, 3, 3, 3}, true, {.padding = 1, .groups = 2}),
      conv_case("1x1 groups stride 2", {2, 32, 5, 4}, {64, 16, 1, 1}, false, {.stride = 2, .groups = 2}),
      conv_case("dilation", {2, 5, 9, 8}, {4, 5, 3, 3}, true, {1, 2, 2}),
      conv_case("dilation 2x1 groups relu", {1, 32, 9, 6}, {32, 16, 3, 2}, true, {1, {2, 1}, {2, 1}, 2, true}),
      conv_case("rectangular", {2, 3, 7, 11}, {5, 3, 1, 5}, true, {{1, 2}, {0, 2}}),
      conv_case("wide rectangular", {1, 32, 5, 40}, {48, 32, 3, 1}, true, {{2, 1}, {1, 0}}),
      transpose_case("groups", {2, 6, 3, 4}, {6, 2, 3, 3}, true, {2, 1, 1, 2}),
      transpose_case("depthwise", {1, 17, 4, 3}, {17, 1, 4, 4}, true, {2, 1, 0, 17}),
      transpose_case("dilation", {1, 4, 4, 5}, {4, 3, 3, 2}, false, {{2, 1}, {0, 1}, {1, 0}, 1, {2, 3}}),
      transpose_case("2x2 stride 2", {2, 3, 3, 4}, {3, 5, 2, 2}, true, {2, 0}),
      transpose_case("wide", {1, 16, 2, 3}, {16, 16, 2, 2}, false, {2, 0}),
      transpose_case("overlapping", {1, 2, 3, 4}, {2, 3, 3, 3}, true, {2, 1}),
  };
  rows[0].errors = {
      {[] {
         conv2d(zeros({16, 64, 56, 104}), zeros({128, 128, 3, 3}));
       },
       "conv2d: input [16,64,56,104] has 64 channels, weight [128,128,3,3] expects 128"},
      {[] {
         conv2d(zeros({1, 3, 2, 2}), zeros({4, 3, 3, 3}));
       },
       "larger than input [1,3,2,2] with padding 0"},
      {[] {
         conv2d(zeros({1, 3, 4, 4}, {DType::Float64}), zeros({4, 3, 3, 3}));
       },
       "parameter must be float64"},
      {[] {
         conv2d(zeros({1, 3, 4, 4}, {DType::UInt8}), zeros({4, 3, 3, 3}));
       },
       "input is uint8 [1,3,4,4] on cpu"},
      {[] {
         conv2d(zeros({1, 3, 4, 4}), zeros({4, 3, 3, 3}), zeros({5}));
       },
       "bias is float32 [5] on cpu"},
      {[] {
         conv2d(zeros({1, 3, 4, 4}), zeros({4, 3, 3, 3}), {}, {0, 0});
       },
       "stride 0"},
      {[] {
         conv2d(zeros({1, 6, 4, 4}), zeros({4, 3, 3, 3}), {}, {.groups = 3});
       },
       "conv2d: 3 groups do not divide the 4 of weight [4,3,3,3]"},
      {[] {
         conv2d(zeros({1, 3, 4, 4}), zeros({4, 3, 3, 3}), {}, {.groups = 2});
       },
       "conv2d: input [1,3,4,4] has 3 channels, weight [4,3,3,3] expects 6 with 2 groups"},
      {[] {
         conv2d(zeros({1, 3, 4, 4}), zeros({4, 3, 3, 3}), {}, {.dilation = 2});
       },
       "with dilation 2 is larger than input [1,3,4,4] with padding 0"},
      {[] {
         conv2d({}, zeros({4, 3, 3, 3}));
       },
       "undefined"},
  };
  rows.back().errors = {
      {[] {
         conv_transpose2d(zeros({1, 3, 4, 4}), zeros({4, 3, 2, 2}));
       },
       "conv_transpose2d: input [1,3,4,4] has 3 channels, weight [4,3,2,2] expects 4"},
      {[] {
         conv_transpose2d(zeros({1, 4, 4, 4}), zeros({4, 3, 2, 2}), {}, {.stride = 2, .output_padding = 2});
       },
       "output_padding 2 must be smaller than the stride 2 or the dilation 1"},
  };
  return rows;
}

}  // namespace bevgrad::testing
