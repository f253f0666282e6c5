#include "autograd/functions/reduce.h"

#include <limits>

#include "autograd/op_cases.h"

namespace bevgrad::testing {
namespace {

using Tensors = std::vector<Tensor>;

// Reduces [a, b, c] along some of its dimensions, element by element; the result keeps sizes of 1.
Tensor reduced(const Tensor& x, const std::vector<bool>& mask, double start, double (*combine)(double, double)) {
  Shape sizes = x.sizes();
  for (size_t d = 0; d < mask.size(); ++d)
    if (mask[d]) sizes[d] = 1;
  std::vector<double> result(static_cast<size_t>(numel(sizes)), start);
  const auto values = x.to_vector();
  for (size_t i = 0; i < values.size(); ++i) {
    int64_t rest = static_cast<int64_t>(i), position = 0, step = 1;
    for (int d = x.dim(); d-- > 0;) {
      if (!mask[d]) position += rest % x.size(d) * step;
      step *= sizes[d];
      rest /= x.size(d);
    }
    result[position] = combine(result[position], values[i]);
  }
  return from_values(result, sizes, {DType::Float64});
}

double plus(double a, double b) {
  return a + b;
}
double larger(double a, double b) {
  return std::max(a, b);
}

}  // namespace

std::vector<OpCase> reduce_cases() {
  constexpr double kLow = -std::numeric_limits<double>::infinity();
  auto sum_over = [](const std::string& variant, const std::vector<int>& dims, const std::vector<bool>& mask) {
    return OpCase{.op = "sum",
                  .variant = variant,
                  .inputs = {{{3, 4, 2, 5}}},
                  .function = [dims](const Tensors& x) { return sum(x[0], dims, true); },
                  .reference = [mask](const Tensors& x) { return reduced(x[0], mask, 0, plus); },
                  .empty = {{3, 0, 2, 5}},
                  .bfloat16_tolerance = 0.1};
  };
  return {
      {.op = "sum",
       .variant = "all",
       .inputs = {{{3, 4, 5}}},
       .function = [](const Tensors& x) { return sum(x[0]); },
       .reference =
           [](const Tensors& x) {
             return ops::reshape(reduced(x[0], {true, true, true}, 0, plus), {});
           },
       .empty = {{2, 0}},
       .errors = {{[] {
                     sum(zeros({2, 3}), {2});
                   },
                   "sum: dimension 2 is out of range for a tensor of rank 2"},
                  {[] {
                     sum(zeros({2, 3}), {1, -1});
                   },
                   "sum: dimension -1 is named twice"}},
       .bfloat16_tolerance = 0.1},
      sum_over("first", {0}, {true, false, false, false}),
      sum_over("channel", {0, 2, 3}, {true, false, true, true}),
      sum_over("middle", {1}, {false, true, false, false}),
      sum_over("last", {-1}, {false, false, false, true}),
      sum_over("alternating", {0, 2}, {true, false, true, false}),
      {.op = "mean",
       .variant = "all",
       .inputs = {{{3, 4}}},
       .function = [](const Tensors& x) { return mean(x[0]); },
       .reference =
           [](const Tensors& x) {
             return ops::reshape(ops::div(reduced(x[0], {true, true}, 0, plus), 12), {});
           },
       .empty = {{0, 2}}},
      {.op = "mean",
       .variant = "dims",
       .inputs = {{{3, 4, 2}}},
       .function =
           [](const Tensors& x) {
             return mean(x[0], {0, 2});
           },
       .reference =
           [](const Tensors& x) {
             return ops::reshape(ops::div(reduced(x[0], {true, false, true}, 0, plus), 6), {4});
           }},
      {.op = "max",
       .variant = "middle",
       .inputs = {{{3, 4, 2}}},
       .function = [](const Tensors& x) { return max(x[0], 1); },
       .reference =
           [](const Tensors& x) {
             return ops::reshape(reduced(x[0], {false, true, false}, kLow, larger), {3, 2});
           },
       .empty = {{0, 4, 2}},
       .errors = {{[] {
                     max(zeros({2, 0}), 1);
                   },
                   "max: dimension 1 of [2,0] is empty"}}},
      {.op = "max",
       .variant = "last_kept",
       .inputs = {{{3, 4}}},
       .function = [](const Tensors& x) { return max(x[0], -1, true); },
       .reference =
           [](const Tensors& x) {
             return reduced(x[0], {false, true}, kLow, larger);
           }},
  };
}

}  // namespace bevgrad::testing
