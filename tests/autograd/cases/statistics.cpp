#include "autograd/functions/statistics.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "autograd/cases/lines.h"
#include "autograd/functions/layer_norm.h"
#include "autograd/functions/pointwise.h"
#include "autograd/functions/softmax.h"
#include "autograd/op_cases.h"

namespace bevgrad::testing {
namespace {

using Tensors = std::vector<Tensor>;
using Values = std::vector<double>;

double total(const Values& v) {
  return std::accumulate(v.begin(), v.end(), 0.0);
}

double variance(const Values& v, double correction) {
  const double mean = total(v) / static_cast<double>(v.size());
  double squares = 0;
  for (const double x : v) squares += (x - mean) * (x - mean);
  return squares / (static_cast<double>(v.size()) - correction);
}

double log_total(const Values& v) {
  double sum = 0;
  for (const double x : v) sum += std::exp(x);
  return std::log(sum);
}

// A reduction of [2,4,3] over dimension 1, kept.
OpCase reduction(const std::string& op, const std::string& variant, const std::function<Tensor(const Tensor&)>& f,
                 const std::function<double(const Values&)>& of_line, double low = -2, double high = 2) {
  return {.op = op,
          .variant = variant,
          .inputs = {{{2, 4, 3}, low, high}},
          .function = [f](const Tensors& x) { return f(x[0]); },
          .reference =
              [of_line](const Tensors& x) {
                return by_lines(x[0], 1, [&](const Values& v) { return Values{of_line(v)}; });
              }};
}

Values normalised(const Values& v, double eps) {
  const double mean = total(v) / static_cast<double>(v.size()), deviation = std::sqrt(variance(v, 0) + eps);
  Values result;
  for (const double x : v) result.push_back((x - mean) / deviation);
  return result;
}

}  // namespace

std::vector<OpCase> statistics_cases() {
  std::vector<OpCase> rows = {
      reduction(
          "min", "", [](const Tensor& x) { return min(x, 1, true); },
          [](const Values& v) { return *std::min_element(v.begin(), v.end()); }),
      reduction(
          "prod", "", [](const Tensor& x) { return prod(x, 1, true); },
          [](const Values& v) { return std::accumulate(v.begin(), v.end(), 1.0, std::multiplies<>()); }, 0.5, 2),
      reduction(
          "var", "unbiased", [](const Tensor& x) { return var(x, {1}, 1, true); },
          [](const Values& v) { return variance(v, 1); }),
      reduction(
          "var", "biased", [](const Tensor& x) { return var(x, {-2}, 0, true); },
          [](const Values& v) { return variance(v, 0); }),
      reduction(
          "std", "", [](const Tensor& x) { return std(x, {1}, 1, true); },
          [](const Values& v) { return std::sqrt(variance(v, 1)); }),
      reduction(
          "norm", "2", [](const Tensor& x) { return norm(x, 2, {1}, true); },
          [](const Values& v) { return std::sqrt(std::inner_product(v.begin(), v.end(), v.begin(), 0.0)); }),
      reduction(
          "norm", "1", [](const Tensor& x) { return norm(x, 1, {1}, true); },
          [](const Values& v) {
            return std::accumulate(v.begin(), v.end(), 0.0, [](double s, double x) { return s + std::abs(x); });
          }),
      reduction(
          "norm", "infinite",
          [](const Tensor& x) { return norm(x, std::numeric_limits<double>::infinity(), {1}, true); },
          [](const Values& v) {
            return std::abs(
                *std::max_element(v.begin(), v.end(), [](double a, double b) { return std::abs(a) < std::abs(b); }));
          }),
      reduction(
          "norm", "3", [](const Tensor& x) { return norm(x, 3, {1}, true); },
          [](const Values& v) {
            return std::cbrt(
                std::accumulate(v.begin(), v.end(), 0.0, [](double s, double x) { return s + std::abs(x * x * x); }));
          }),
      reduction(
          "logsumexp", "", [](const Tensor& x) { return logsumexp(x, 1, true); }, log_total),
  };
  rows[0].errors = {{[] { min(zeros({2}), 1); }, "min: dimension 1 is out of range"}};
  rows[1].errors = {{[] { prod(zeros({2}), 3); }, "prod: dimension 3 is out of range"}};
  rows.push_back({.op = "prod",
                  .variant = "with_zeros",
                  .inputs = {{{3, 4}, 1, 2}},
                  .function =
                      [](const Tensors& x) {
                        // One zero in the first row, two in the second.
                        const Tensor factors = from_values({1, 1, 0, 1, 0, 1, 1, 0, 1, 1, 1, 1}, {3, 4},
                                                           {x[0].dtype(), {}, x[0].device()});
                        return prod(mul(x[0], factors), 1);
                      },
                  .reference =
                      [](const Tensors& x) {
                        const Values v = x[0].to_vector();
                        return from_values({0, 0, v[8] * v[9] * v[10] * v[11]}, {3}, {DType::Float64});
                      }});
  rows.push_back({.op = "cumsum",
                  .inputs = {{{2, 4, 3}}},
                  .function = [](const Tensors& x) { return cumsum(x[0], 1); },
                  .reference =
                      [](const Tensors& x) {
                        return by_lines(x[0], 1, [](Values v) {
                          std::partial_sum(v.begin(), v.end(), v.begin());
                          return v;
                        });
                      },
                  .empty = {{2, 0, 3}},
                  .errors = {{[] { cumsum(zeros({2}), 1); }, "cumsum: dimension 1 is out of range"}}});
  for (const int dim : {0, 1, 2}) {
    const auto softened = [dim](const Tensors& x) {
      return by_lines(x[0], dim, [](Values v) {
        const double sum = log_total(v);
        for (double& e : v) e -= sum;
        return v;
      });
    };
    rows.push_back({.op = "log_softmax",
                    .variant = std::to_string(dim),
                    .inputs = {{{3, 70, 2}, -3, 3}},
                    .function = [dim](const Tensors& x) { return log_softmax(x[0], dim); },
                    .reference = softened,
                    .empty = {{3, 0, 2}},
                    .errors = {{[] { log_softmax(zeros({2}), 1); }, "log_softmax: dimension 1 is out of range"}}});
    rows.push_back({.op = "softmax",
                    .variant = "dimension_" + std::to_string(dim),
                    .inputs = {{{3, 70, 2}, -3, 3}},
                    .function = [dim](const Tensors& x) { return softmax(x[0], dim); },
                    .reference = [softened](const Tensors& x) { return ops::exp(softened(x)); },
                    .empty = {{3, 0, 2}}});
  }
  rows.push_back({.op = "layer_norm",
                  .inputs = {{{3, 2, 5}}, {{2, 5}, 0.5, 2}, {{2, 5}}},
                  .function =
                      [](const Tensors& x) {
                        return layer_norm(x[0], {2, 5}, x[1], x[2], 1e-3);
                      },
                  .reference =
                      [](const Tensors& x) {
                        const Tensor rows = by_lines(ops::reshape(x[0], {3, 10}), 1,
                                                     [](const Values& v) { return normalised(v, 1e-3); });
                        return ops::add(ops::mul(ops::reshape(rows, {3, 2, 5}), x[1]), x[2]);
                      },
                  .empty = {{0, 2, 5}, {2, 5}, {2, 5}},
                  .errors = {{[] {
                                layer_norm(zeros({2, 3}), {4});
                              },
                              "layer_norm: the input [2,3] does not end in [4]"},
                             {[] {
                                layer_norm(zeros({2, 3}), {3}, zeros({2}));
                              },
                              "layer_norm: weight is float32 [2] on cpu, expected float32 [3]"}},
                  .bfloat16_tolerance = 0.05});
  rows.push_back({.op = "group_norm",
                  .inputs = {{{2, 6, 2, 3}}, {{6}, 0.5, 2}, {{6}}},
                  .function = [](const Tensors& x) { return group_norm(x[0], 3, x[1], x[2], 1e-3); },
                  .reference =
                      [](const Tensors& x) {
                        const Tensor rows = by_lines(ops::reshape(x[0], {6, 12}), 1,
                                                     [](const Values& v) { return normalised(v, 1e-3); });
                        return ops::add(ops::mul(ops::reshape(rows, {2, 6, 2, 3}), ops::view(x[1], {6, 1, 1})),
                                        ops::view(x[2], {6, 1, 1}));
                      },
                  .empty = {{0, 6, 2, 3}, {6}, {6}},
                  .errors = {{[] {
                                group_norm(zeros({2, 6}), 4);
                              },
                              "group_norm: the input is float32 [2,6]"}},
                  .bfloat16_tolerance = 0.05});
  rows.push_back({.op = "instance_norm",
                  .inputs = {{{2, 3, 2, 4}}, {{3}, 0.5, 2}, {{3}}},
                  .function = [](const Tensors& x) { return instance_norm(x[0], x[1], x[2], 1e-3); },
                  .reference =
                      [](const Tensors& x) {
                        const Tensor rows = by_lines(ops::reshape(x[0], {6, 8}), 1,
                                                     [](const Values& v) { return normalised(v, 1e-3); });
                        return ops::add(ops::mul(ops::reshape(rows, {2, 3, 2, 4}), ops::view(x[1], {3, 1, 1})),
                                        ops::view(x[2], {3, 1, 1}));
                      },
                  .empty = {{0, 3, 2, 4}, {3}, {3}},
                  .errors = {{[] {
                                instance_norm(zeros({2, 3}));
                              },
                              "instance_norm: input [2,3], expected [N,C,..]"}},
                  .bfloat16_tolerance = 0.05});
  rows.push_back({.op = "rms_norm",
                  .inputs = {{{3, 2, 5}}, {{2, 5}, 0.5, 2}},
                  .function =
                      [](const Tensors& x) {
                        return rms_norm(x[0], {2, 5}, x[1], 1e-3);
                      },
                  .reference =
                      [](const Tensors& x) {
                        const Tensor rows = by_lines(ops::reshape(x[0], {3, 10}), 1, [](const Values& v) {
                          double squares = 0;
                          for (const double value : v) squares += value * value;
                          Values result;
                          for (const double value : v) result.push_back(value / std::sqrt(squares / 10 + 1e-3));
                          return result;
                        });
                        return ops::mul(ops::reshape(rows, {3, 2, 5}), x[1]);
                      },
                  .empty = {{0, 2, 5}, {2, 5}},
                  .errors = {{[] {
                                rms_norm(zeros({2, 3}), {4});
                              },
                              "rms_norm: input [2,3] does not end in [4]"}},
                  .bfloat16_tolerance = 0.05});
  return rows;
}

}  // namespace bevgrad::testing
