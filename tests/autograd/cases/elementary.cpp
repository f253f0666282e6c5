#include "autograd/functions/elementary.h"

#include <algorithm>
#include <cmath>

#include "autograd/functions/activations.h"
#include "autograd/functions/operators.h"
#include "autograd/functions/where.h"
#include "autograd/op_cases.h"

namespace bevgrad::testing {
namespace {

using Tensors = std::vector<Tensor>;
using Values = std::vector<double>;
using Number = double (*)(double);

OpCase unary(const std::string& op, Tensor (*function)(const Tensor&), Number f, double low, double high,
             double gap = 0, const std::string& variant = "") {
  OpCase row{.op = op,
             .variant = variant,
             .inputs = {{{2, 3, 4, 5}, low, high, gap}},
             .function = [function](const Tensors& x) { return function(x[0]); },
             .reference = elementwise([f](const Values& v) { return f(v[0]); }),
             .empty = {{0, 3}},
             .errors = {{[function] { function(Tensor()); }, op + ": x is undefined"}}};
  if (op != "pow")  // tests/autograd/dtypes.cpp
    row.errors.push_back({[function] { function(zeros({2}, {DType::Int64})); }, op + ": dtype int64 is not supported"});
  return row;
}

OpCase binary(const std::string& op, Tensor (*function)(const Tensor&, const Tensor&), double (*f)(double, double),
              const OpInput& a, const OpInput& b, const std::string& variant) {
  return {.op = op,
          .variant = variant,
          .inputs = {a, b},
          .function = [function](const Tensors& x) { return function(x[0], x[1]); },
          .reference = elementwise([f](const Values& v) { return f(v[0], v[1]); }),
          .empty = {{0, 3}, {1, 3}},
          .errors = {{[function] {
                        function(zeros({2, 3}), zeros({4}));
                      },
                      op + ": shapes [2,3] and [4] do not broadcast"}}};
}

double normal_below(double x) {
  return 0.5 * std::erfc(-x / std::sqrt(2.0));
}

Tensor example_mask(const Shape& sizes, Device device) {
  Tensor mask = zeros(sizes, {DType::Bool});
  for (int64_t i = 0; i < mask.numel(); i += 3) mask.data<bool>()[i] = true;
  return ops::to(mask, device);
}

}  // namespace

std::vector<OpCase> elementary_cases() {
  return {
      unary(
          "sin", sin, [](double x) { return std::sin(x); }, -4, 4),
      unary(
          "cos", cos, [](double x) { return std::cos(x); }, -4, 4),
      unary(
          "erf", erf, [](double x) { return std::erf(x); }, -3, 3),
      unary(
          "log1p", log1p, [](double x) { return std::log1p(x); }, -0.8, 4),
      unary(
          "expm1", expm1, [](double x) { return std::expm1(x); }, -2, 2),
      unary(
          "rsqrt", rsqrt, [](double x) { return 1 / std::sqrt(x); }, 0.3, 4),
      unary(
          "tanh", tanh, [](double x) { return std::tanh(x); }, -3, 3),
      unary(
          "gelu", [](const Tensor& x) { return gelu(x); }, [](double x) { return x * normal_below(x); }, -3, 3),
      unary(
          "gelu", [](const Tensor& x) { return gelu(x, GeluForm::Tanh); },
          [](double x) { return x / 2 * (1 + std::tanh(std::sqrt(2 / std::acos(-1.0)) * (x + 0.044715 * x * x * x))); },
          -3, 3, 0, "tanh"),
      unary(
          "silu", silu, [](double x) { return x / (1 + std::exp(-x)); }, -4, 4),
      unary(
          "leaky_relu", [](const Tensor& x) { return leaky_relu(x, 0.2); },
          [](double x) { return x > 0 ? x : 0.2 * x; }, -2, 2, 0.1),
      unary(
          "elu", [](const Tensor& x) { return elu(x, 1.5); },
          [](double x) { return x > 0 ? x : 1.5 * (std::exp(x) - 1); }, -2, 2, 0.1),
      unary(
          "softplus", [](const Tensor& x) { return softplus(x, 2, 3); },
          [](double x) { return 2 * x > 3 ? x : std::log(1 + std::exp(2 * x)) / 2; }, -2, 1.45),
      unary(
          "softplus", [](const Tensor& x) { return softplus(x, 2, 3); }, [](double x) { return x; }, 1.6, 4, 0,
          "linear"),
      unary(
          "hardswish", hardswish, [](double x) { return x * std::min(std::max(x + 3, 0.0), 6.0) / 6; }, -2.9, 2.9),
      unary(
          "hardswish", hardswish, [](double) { return 0.0; }, -6, -3.1, 0, "below"),
      unary(
          "pow", [](const Tensor& x) { return pow(x, 2.0); }, [](double x) { return x * x; }, -2, 2, 0, "square"),
      unary(
          "pow", [](const Tensor& x) { return pow(x, -1.5); }, [](double x) { return std::pow(x, -1.5); }, 0.5, 2, 0,
          "root"),
      unary(
          "pow", [](const Tensor& x) { return pow(x, 0.0); }, [](double) { return 1.0; }, -1, 1, 0, "one"),
      binary(
          "pow", pow, [](double a, double b) { return std::pow(a, b); }, {{2, 3, 4}, 0.3, 2}, {{3, 1}, -2, 2},
          "tensors"),
      binary(
          "maximum", maximum, [](double a, double b) { return std::max(a, b); }, {{2, 3, 4}}, {{4}}, "broadcast"),
      binary(
          "minimum", minimum, [](double a, double b) { return std::min(a, b); }, {{2, 1, 4}}, {{2, 3, 4}}, "broadcast"),
      {.op = "where",
       .inputs = {{{2, 3, 4}}, {{3, 1}}},
       .function =
           [](const Tensors& x) {
             return where(example_mask({3, 4}, x[0].device()), x[0], x[1]);
           },
       .reference =
           [](const Tensors& x) {
             const Tensor mask = ops::to(example_mask({3, 4}, {}), DType::Float64);
             return elementwise([](const Values& v) { return v[0] != 0 ? v[1] : v[2]; })({mask, x[0], x[1]});
           },
       .errors = {{[] { where(zeros({2}), zeros({2}), zeros({2})); }, "where: the mask is float32 [2] on cpu"},
                  {[] { where(Tensor(), zeros({2}), zeros({2})); }, "where: condition is undefined"}}},
      {.op = "masked_fill",
       .inputs = {{{2, 3, 4}}},
       .function =
           [](const Tensors& x) {
             return masked_fill(x[0], example_mask({3, 4}, x[0].device()), 7.0);
           },
       .reference =
           [](const Tensors& x) {
             const Tensor mask = ops::to(example_mask({3, 4}, {}), DType::Float64);
             return elementwise([](const Values& v) { return v[0] != 0 ? 7.0 : v[1]; })({mask, x[0]});
           },
       .errors = {{[] {
                     masked_fill(zeros({2}), zeros({3, 2}, {DType::Bool}), 0);
                   },
                   "masked_fill: the mask [3,2] does not broadcast to [2]"}}},
      {.op = "operator",
       .inputs = {{{3, 4}, 1, 2}, {{4}, 1, 2}},
       .function =
           [](const Tensors& x) {
             return (2.0 - x[0]) * x[1] + 3.0 / x[0] - x[0] / x[1] * 0.5 - (-x[1] + 1.0) / 4.0 + (5.0 + x[0]);
           },
       .reference = elementwise([](const Values& v) {
         return (2 - v[0]) * v[1] + 3 / v[0] - v[0] / v[1] * 0.5 - (1 - v[1]) / 4 + 5 + v[0];
       })},
  };
}

}  // namespace bevgrad::testing
