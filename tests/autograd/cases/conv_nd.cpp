#include "autograd/functions/conv_nd.h"

#include "autograd/functions/shape.h"
#include "autograd/op_cases.h"

namespace bevgrad::testing {
namespace {

using Tensors = std::vector<Tensor>;

// A volume [n][c][d][h][w]; reading outside gives 0.
struct Volume {
  int64_t n, c, d, h, w;
  std::vector<double> values;

  explicit Volume(const Shape& s) : n(s[0]), c(s[1]), d(s[2]), h(s[3]), w(s[4]), values(numel(s), 0.0) {}
  explicit Volume(const Tensor& x) : Volume(x.sizes()) { values = x.to_vector(); }

  bool inside(int64_t z, int64_t y, int64_t x) const { return z >= 0 && z < d && y >= 0 && y < h && x >= 0 && x < w; }
  double& at(int64_t i, int64_t k, int64_t z, int64_t y, int64_t x) {
    return values[(((i * c + k) * d + z) * h + y) * w + x];
  }
  Tensor tensor() const { return from_values(values, {n, c, d, h, w}, {DType::Float64}); }
};

// Adds x[n][c][place in] * weight[a][b][tap] to y[n][k][place out] wherever input place = output place * stride -
// padding + tap * dilation: the definition of both convolutions.
Tensor by_definition(const Tensors& t, const Shape& sizes, Triple stride, Triple padding, Triple dilation, int groups,
                     bool transposed) {
  Volume x(t[0]), weight(t[1]), y(sizes);
  const std::vector<double> bias = t.size() > 2 ? t[2].to_vector() : std::vector<double>(sizes[1], 0.0);
  for (int64_t i = 0; i < y.n; ++i)
    for (int64_t k = 0; k < y.c; ++k)
      for (int64_t p = 0; p < y.d * y.h * y.w; ++p) y.values[(i * y.c + k) * y.d * y.h * y.w + p] = bias[k];
  // The convolution's input and output, whichever way it runs.
  Volume& wide = transposed ? y : x;
  Volume& narrow = transposed ? x : y;
  for (int64_t i = 0; i < x.n; ++i)
    for (int64_t k = 0; k < narrow.c; ++k)
      for (int64_t c = 0; c < weight.c; ++c)
        for (int64_t z = 0; z < narrow.d; ++z)
          for (int64_t r = 0; r < narrow.h; ++r)
            for (int64_t q = 0; q < narrow.w; ++q)
              for (int64_t a = 0; a < weight.d; ++a)
                for (int64_t b = 0; b < weight.h; ++b)
                  for (int64_t e = 0; e < weight.w; ++e) {
                    const int64_t wz = z * stride.d - padding.d + a * dilation.d;
                    const int64_t wr = r * stride.h - padding.h + b * dilation.h;
                    const int64_t wq = q * stride.w - padding.w + e * dilation.w;
                    if (!wide.inside(wz, wr, wq)) continue;
                    double& in_wide = wide.at(i, k / (narrow.c / groups) * weight.c + c, wz, wr, wq);
                    double& in_narrow = narrow.at(i, k, z, r, q);
                    (transposed ? in_wide : in_narrow) += (transposed ? in_narrow : in_wide) * weight.at(k, c, a, b, e);
                  }
  return y.tensor();
}

Tensor parameter(const Tensor& x) {
  return x.dtype() == DType::BFloat16 ? to(x, DType::Float32) : x;
}

Tensor bias(const Tensors& t) {
  return t.size() > 2 ? parameter(t[2]) : Tensor();
}

// [N,C,L] as [N,C,1,1,L].
Tensors in_three(const Tensors& t) {
  Tensors result = t;
  for (int i = 0; i < 2; ++i) result[i] = ops::reshape(t[i], {t[i].size(0), t[i].size(1), 1, 1, t[i].size(2)});
  return result;
}

int64_t transposed_size(int64_t n, int64_t kernel, int stride, int padding, int added, int dilation) {
  return (n - 1) * stride - 2 * padding + dilation * (kernel - 1) + added + 1;
}

OpCase make(const std::string& op, const std::string& variant, const Shape& x, const Shape& weight, int64_t biases) {
  OpCase row{.op = op, .variant = variant, .inputs = {{x}, {weight}}};
  if (biases > 0) row.inputs.push_back({{biases}});
  row.empty = {x};
  row.empty[0][0] = 0;
  row.float32_tolerance = 2e-5;
  row.bfloat16_tolerance = 0.1;
  return row;
}

OpCase conv1d_case(const std::string& variant, const Shape& x, const Shape& w, bool with_bias, Conv1dOptions o) {
  OpCase row = make("conv1d", variant, x, w, with_bias ? w[0] : 0);
  row.function = [o](const Tensors& t) { return conv1d(t[0], parameter(t[1]), bias(t), o); };
  row.reference = [=](const Tensors& t) {
    const Shape sizes{x[0], w[0], 1, 1, conv_size(x[2], w[2], o.stride, o.padding, o.dilation)};
    const Tensor y =
        by_definition(in_three(t), sizes, {1, 1, o.stride}, {0, 0, o.padding}, {1, 1, o.dilation}, o.groups, false);
    return ops::reshape(y, {sizes[0], sizes[1], sizes[4]});
  };
  return row;
}

OpCase conv3d_case(const std::string& variant, const Shape& x, const Shape& w, bool with_bias, Conv3dOptions o) {
  OpCase row = make("conv3d", variant, x, w, with_bias ? w[0] : 0);
  row.function = [o](const Tensors& t) { return conv3d(t[0], parameter(t[1]), bias(t), o); };
  row.reference = [=](const Tensors& t) {
    const Shape sizes{x[0], w[0], conv_size(x[2], w[2], o.stride.d, o.padding.d, o.dilation.d),
                      conv_size(x[3], w[3], o.stride.h, o.padding.h, o.dilation.h),
                      conv_size(x[4], w[4], o.stride.w, o.padding.w, o.dilation.w)};
    return by_definition(t, sizes, o.stride, o.padding, o.dilation, o.groups, false);
  };
  return row;
}

OpCase transpose1d_case(const std::string& variant, const Shape& x, const Shape& w, bool with_bias,
                        ConvTranspose1dOptions o) {
  OpCase row = make("conv_transpose1d", variant, x, w, with_bias ? w[1] * o.groups : 0);
  row.function = [o](const Tensors& t) { return conv_transpose1d(t[0], parameter(t[1]), bias(t), o); };
  row.reference = [=](const Tensors& t) {
    const Shape sizes{x[0], w[1] * o.groups, 1, 1,
                      transposed_size(x[2], w[2], o.stride, o.padding, o.output_padding, o.dilation)};
    const Tensor y =
        by_definition(in_three(t), sizes, {1, 1, o.stride}, {0, 0, o.padding}, {1, 1, o.dilation}, o.groups, true);
    return ops::reshape(y, {sizes[0], sizes[1], sizes[4]});
  };
  return row;
}

OpCase transpose3d_case(const std::string& variant, const Shape& x, const Shape& w, bool with_bias,
                        ConvTranspose3dOptions o) {
  OpCase row = make("conv_transpose3d", variant, x, w, with_bias ? w[1] * o.groups : 0);
  row.function = [o](const Tensors& t) { return conv_transpose3d(t[0], parameter(t[1]), bias(t), o); };
  row.reference = [=](const Tensors& t) {
    const Shape sizes{x[0], w[1] * o.groups,
                      transposed_size(x[2], w[2], o.stride.d, o.padding.d, o.output_padding.d, o.dilation.d),
                      transposed_size(x[3], w[3], o.stride.h, o.padding.h, o.output_padding.h, o.dilation.h),
                      transposed_size(x[4], w[4], o.stride.w, o.padding.w, o.output_padding.w, o.dilation.w)};
    return by_definition(t, sizes, o.stride, o.padding, o.dilation, o.groups, true);
  };
  return row;
}

}  // namespace

std::vector<OpCase> conv_nd_cases() {
  std::vector<OpCase> rows{
      conv1d_case("3 padding 1", {2, 3, 7}, {4, 3, 3}, true, {1, 1}),
      conv1d_case("causal depthwise", {1, 5, 6}, {5, 1, 2}, false, {2, 1, 2, 5}),
      conv3d_case("3x3x3", {2, 2, 4, 3, 5}, {3, 2, 3, 3, 3}, true, {1, 1}),
      conv3d_case("uneven", {1, 4, 5, 6, 3}, {6, 2, 2, 3, 1}, true, {{2, 1, 2}, {1, 2, 0}, {3, 1, 1}, 2}),
      transpose1d_case("4 stride 2", {2, 4, 3}, {4, 3, 4}, true, {2, 1}),
      transpose1d_case("groups", {1, 4, 3}, {4, 1, 3}, false, {3, 0, 1, 2, 2}),
      transpose3d_case("2x2x2 stride 2", {1, 3, 2, 3, 2}, {3, 2, 2, 2, 2}, true, {2}),
      transpose3d_case("uneven", {2, 2, 3, 2, 2}, {2, 1, 3, 2, 3}, true,
                       {{2, 1, 3}, {1, 0, 1}, {1, 0, 2}, 2, {2, 2, 1}}),
  };
  rows[0].errors = {{[] {
                       conv1d(zeros({3, 7}), zeros({4, 3, 3}));
                     },
                     "conv1d: input [3,7] and weight [4,3,3], expected 3 dimensions each"}};
  rows[2].errors = {
      {[] {
         conv3d(zeros({1, 2, 1, 4, 4}), zeros({3, 2, 3, 3, 3}));
       },
       "conv3d: the kernel of weight [3,2,3,3,3] is deeper than input [1,2,1,4,4] with padding 0"},
      {[] {
         conv3d(zeros({1, 2, 3, 4, 4}), zeros({3, 2, 3, 3, 3}), {}, {.stride = {0, 1, 1}});
       },
       "conv3d: stride 0"},
  };
  rows[6].errors = {{[] {
                       conv_transpose3d(zeros({1, 3, 2, 3, 2}), zeros({3, 2, 2, 2, 2}), {}, {2, 0, {2, 0, 0}});
                     },
                     "output_padding 2 must be smaller"}};
  return rows;
}

}  // namespace bevgrad::testing
