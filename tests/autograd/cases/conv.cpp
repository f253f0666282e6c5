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
  Image out(in.n, weight.n, (in.h + 2 * o.padding - weight.h) / o.stride + 1,
            (in.w + 2 * o.padding - weight.w) / o.stride + 1);
  out.for_each([&](int64_t n, int64_t k, int64_t y, int64_t z) {
    double sum = bias_of(x, k);
    for (int64_t c = 0; c < in.c; ++c)
      for (int64_t r = 0; r < weight.h; ++r)
        for (int64_t q = 0; q < weight.w; ++q)
          sum += in.get(n, c, y * o.stride - o.padding + r, z * o.stride - o.padding + q) * weight.get(k, c, r, q);
    out.at(n, k, y, z) = o.relu && sum < 0 ? 0 : sum;
  });
  return out.tensor();
}

Tensor plain_conv_transpose(const Tensors& x, const Conv2dOptions& o) {
  const Image in(x[0]), weight(x[1]);
  Image out(in.n, weight.c, (in.h - 1) * o.stride - 2 * o.padding + weight.h,
            (in.w - 1) * o.stride - 2 * o.padding + weight.w);
  out.for_each([&](int64_t n, int64_t k, int64_t y, int64_t z) { out.at(n, k, y, z) = bias_of(x, k); });
  in.for_each([&](int64_t n, int64_t c, int64_t y, int64_t z) {
    for (int64_t k = 0; k < out.c; ++k)
      for (int64_t r = 0; r < weight.h; ++r)
        for (int64_t q = 0; q < weight.w; ++q) {
          const int64_t oy = y * o.stride - o.padding + r, oz = z * o.stride - o.padding + q;
          if (out.inside(oy, oz)) out.at(n, k, oy, oz) += in.get(n, c, y, z) * weight.get(c, k, r, q);
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
                      const Conv2dOptions& o) {
  OpCase row{.op = "conv_transpose2d", .variant = variant, .inputs = {{x}, {weight}}};
  if (bias) row.inputs.push_back({{weight[1]}});
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
      conv_case("3x3 stride 2 relu", {1, 4, 6, 5}, {3, 4, 3, 3}, true, {2, 1, true}),
      conv_case("stem", {1, 3, 11, 9}, {16, 3, 7, 7}, false, {2, 3}),
      conv_case("1x1", {2, 16, 3, 4}, {9, 16, 1, 1}, true, {}),
      conv_case("1x1 stride 2", {2, 5, 4, 5}, {7, 5, 1, 1}, false, {2, 0}),
      conv_case("2x2 stride 2", {1, 3, 5, 6}, {2, 3, 2, 2}, false, {2, 0}),
      conv_case("one pixel", {1, 1, 1, 1}, {1, 1, 3, 3}, true, {1, 1}),
      conv_case("uneven kernel", {1, 2, 4, 5}, {3, 2, 3, 1}, true, {1, 1}),
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
         conv2d({}, zeros({4, 3, 3, 3}));
       },
       "undefined"},
  };
  rows[8].errors = {{[] {
                       conv_transpose2d(zeros({1, 3, 4, 4}), zeros({4, 3, 2, 2}));
                     },
                     "conv_transpose2d: input [1,3,4,4] has 3 channels, weight [4,3,2,2] expects 4"}};
  return rows;
}

}  // namespace bevgrad::testing
