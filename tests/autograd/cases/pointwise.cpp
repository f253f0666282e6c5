#include <algorithm>

#include "autograd/functions/pointwise.h"
#include "autograd/op_cases.h"

namespace bevgrad::testing {
namespace {

using Values = std::vector<double>;
using Binary = Tensor (*)(const Tensor&, const Tensor&);
using Unary = Tensor (*)(const Tensor&);

std::vector<OpCase> binary(const std::string& op, Binary function, double (*f)(double, double)) {
  const OpFunction call = [function](const std::vector<Tensor>& x) { return function(x[0], x[1]); };
  const OpFunction reference = elementwise([f](const Values& v) { return f(v[0], v[1]); });
  // Divisors stay away from 0.
  auto row = [&](const std::string& variant, const Shape& a, const Shape& b) {
    return OpCase{op, variant, {{a}, {b, -2, 2, 0.5}}, call, reference};
  };
  std::vector<OpCase> rows = {
      row("same_shape", {2, 3, 5, 3}, {2, 3, 5, 3}),
      row("channel", {2, 3, 2, 3}, {3, 1, 1}),
      row("map", {2, 1, 3, 2}, {2, 3, 1, 1}),
      row("outer", {4, 1}, {1, 3}),
      row("scalar", {2, 3}, {}),
      row("scalar_first", {}, {3}),
  };
  rows[0].empty = {{2, 0, 3}, {2, 1, 3}};
  rows[0].errors = {
      {[function] {
         function(zeros({2, 3}), zeros({4}));
       },
       op + ": shapes [2,3] and [4] do not broadcast"},
      {[function] { function(zeros({2}), zeros({2}, {DType::Float64})); },
       op + ": inputs are float32 [2] on cpu and float64 [2] on cpu"},
  };
  return rows;
}

OpCase unary(const std::string& op, Unary function, double (*f)(double), double low, double high, double gap = 0) {
  OpCase row{.op = op,
             .variant = "",
             .inputs = {{{2, 3, 4, 5}, low, high, gap}},
             .function = [function](const std::vector<Tensor>& x) { return function(x[0]); },
             .reference = elementwise([f](const Values& v) { return f(v[0]); }),
             .empty = {{0, 3}}};
  const bool takes_integers = op == "neg" || op == "abs" || op == "clamp";  // tests/tensor/integers.cpp
  if (!takes_integers)
    row.errors = {{[function] { function(zeros({2}, {DType::UInt8})); }, op + ": dtype uint8 is not supported"}};
  return row;
}

OpCase with_scalar(const std::string& op, Tensor (*function)(const Tensor&, double), double (*f)(double, double)) {
  return {op,
          "number",
          {{{3, 4}}},
          [function](const std::vector<Tensor>& x) { return function(x[0], 1.75); },
          elementwise([f](const Values& v) { return f(v[0], 1.75); })};
}

}  // namespace

std::vector<OpCase> pointwise_cases() {
  std::vector<OpCase> all;
  auto append = [&](const std::vector<OpCase>& rows) { all.insert(all.end(), rows.begin(), rows.end()); };
  append(binary("add", add, [](double a, double b) { return a + b; }));
  append(binary("sub", sub, [](double a, double b) { return a - b; }));
  append(binary("mul", mul, [](double a, double b) { return a * b; }));
  append(binary("div", div, [](double a, double b) { return a / b; }));
  append({
      with_scalar("add", add, [](double a, double b) { return a + b; }),
      with_scalar("sub", sub, [](double a, double b) { return a - b; }),
      with_scalar("mul", mul, [](double a, double b) { return a * b; }),
      with_scalar("div", div, [](double a, double b) { return a / b; }),
      unary(
          "neg", neg, [](double x) { return -x; }, -1, 1),
      unary(
          "exp", exp, [](double x) { return std::exp(x); }, -2, 1),
      unary(
          "log", log, [](double x) { return std::log(x); }, 0.5, 3),
      unary(
          "sqrt", sqrt, [](double x) { return std::sqrt(x); }, 0.5, 3),
      unary(
          "abs", abs, [](double x) { return std::abs(x); }, -1, 1, 0.05),
      unary(
          "relu", relu, [](double x) { return std::max(x, 0.0); }, -1, 1, 0.05),
      unary(
          "sigmoid", sigmoid, [](double x) { return 1 / (1 + std::exp(-x)); }, -3, 3),
  });
  OpCase bounded = unary(
      "clamp", [](const Tensor& x) { return clamp(x, 0.0, 9.0); }, [](double x) { return std::clamp(x, 0.0, 9.0); }, -1,
      1, 0.05);
  all.push_back(bounded);
  return all;
}

}  // namespace bevgrad::testing
