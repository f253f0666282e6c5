#include "autograd/functions/linear.h"

#include "autograd/functions/shape.h"
#include "autograd/op_cases.h"

namespace bevgrad::testing {
namespace {

using Tensors = std::vector<Tensor>;

Tensor parameter(const Tensor& x) {
  return x.dtype() == DType::BFloat16 ? to(x, DType::Float32) : x;
}

// a as rows of length k, b read by b(p, j).
template <class B>
Tensor plain_product(const Tensor& a, int64_t n, const B& b) {
  const int64_t k = a.size(-1);
  Shape sizes = a.sizes();
  sizes.back() = n;
  const std::vector<double> in = a.to_vector();
  std::vector<double> out(static_cast<size_t>(numel(sizes)), 0.0);
  for (size_t e = 0; e < out.size(); ++e)
    for (int64_t p = 0; p < k; ++p) out[e] += in[e / n * k + p] * b(p, static_cast<int64_t>(e) % n);
  return from_values(out, sizes, {DType::Float64});
}

OpCase linear_case(const std::string& variant, const Shape& x, int64_t out, bool bias, bool relu) {
  const int64_t features = x.back();
  OpCase row{.op = "linear", .variant = variant, .inputs = {{x}, {{out, features}}}};
  if (bias) row.inputs.push_back({{out}});
  row.function = [relu](const Tensors& t) {
    return linear(t[0], parameter(t[1]), t.size() > 2 ? parameter(t[2]) : Tensor(), relu);
  };
  row.reference = [=](const Tensors& t) {
    const auto weight = t[1].to_vector();
    const Tensor product = plain_product(t[0], out, [&](int64_t p, int64_t j) { return weight[j * features + p]; });
    for (int64_t e = 0; e < product.numel(); ++e) {
      double& value = product.data<double>()[e];
      if (bias) value += t[2].to_vector()[e % out];
      if (relu && value < 0) value = 0;
    }
    return product;
  };
  Shape empty = x;
  empty[0] = 0;
  row.empty = {empty};
  return row;
}

OpCase matmul_case(const std::string& variant, const Shape& a, const Shape& b) {
  return {.op = "matmul",
          .variant = variant,
          .inputs = {{a}, {b}},
          .function = [](const Tensors& t) { return matmul(t[0], t[1]); },
          .reference =
              [](const Tensors& t) {
                const auto right = t[1].to_vector();
                const int64_t n = t[1].size(1);
                return plain_product(t[0], n, [&](int64_t p, int64_t j) { return right[p * n + j]; });
              }};
}

}  // namespace

std::vector<OpCase> linear_cases() {
  std::vector<OpCase> rows{
      linear_case("bias", {3, 5}, 4, true, false),    linear_case("relu", {2, 3, 10}, 16, true, true),
      linear_case("plain", {7, 10}, 1, false, false), matmul_case("2-D", {3, 4}, {4, 5}),
      matmul_case("batched", {2, 3, 4}, {4, 5}),      matmul_case("vector", {1, 17}, {17, 1}),
  };
  rows[3].empty = {{0, 4}, {4, 5}};
  rows[0].errors = {{[] {
                       linear(zeros({3, 5}), zeros({4, 6}));
                     },
                     "linear: input [3,5] has 5 features, weight [4,6]"},
                    {[] {
                       linear(zeros({3, 5}), zeros({4, 5}), zeros({3}));
                     },
                     "bias is float32 [3]"}};
  rows[3].errors = {{[] {
                       matmul(zeros({3, 5}), zeros({4, 6}));
                     },
                     "matmul: inner sizes differ: [3,5] x [4,6]"},
                    {[] {
                       matmul(zeros({3, 5}), zeros({}));
                     },
                     "matmul: a scalar has no matrix product: [3,5] and []"}};
  return rows;
}

}  // namespace bevgrad::testing
