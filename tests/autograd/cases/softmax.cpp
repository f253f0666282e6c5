#include "autograd/functions/softmax.h"

#include "autograd/op_cases.h"

namespace bevgrad::testing {
namespace {

using Tensors = std::vector<Tensor>;

Tensor example_mask() {
  Tensor mask = ones({2, 4, 3, 2}, {DType::Bool});
  for (int64_t i : {6, 9, 13, 20, 26, 40, 41}) mask.data<bool>()[i] = false;
  // Nothing takes part at the last pixel of sample 1.
  for (int64_t k = 0; k < 4; ++k) mask.data<bool>()[24 + k * 6 + 5] = false;
  return mask;
}

Tensor softmax_reference(const Tensor& x, const Tensor& mask) {
  const auto values = x.to_vector();
  const auto valid = mask.defined() ? mask.to_vector() : std::vector<double>(values.size(), 1.0);
  std::vector<double> result(values.size(), 0.0);
  for (size_t n = 0; n < 2; ++n)
    for (size_t pixel = 0; pixel < 6; ++pixel) {
      double total = 0;
      for (size_t k = 0; k < 4; ++k)
        total += valid[(n * 4 + k) * 6 + pixel] * std::exp(values[(n * 4 + k) * 6 + pixel]);
      for (size_t k = 0; k < 4; ++k) {
        const size_t i = (n * 4 + k) * 6 + pixel;
        if (valid[i] != 0) result[i] = std::exp(values[i]) / total;
      }
    }
  return from_values(result, x.sizes(), {DType::Float64});
}

Tensor weighted_sum_reference(const Tensors& x) {
  const auto weights = x.back().to_vector();
  std::vector<double> result(static_cast<size_t>(x[0].numel()), 0.0);
  for (size_t k = 0; k + 1 < x.size(); ++k) {
    const auto frame = x[k].to_vector();
    for (size_t i = 0; i < frame.size(); ++i) {
      const size_t n = i / (70 * 6), pixel = i % 6;
      result[i] += weights[(n * 3 + k) * 6 + pixel] * frame[i];
    }
  }
  return from_values(result, x[0].sizes(), {DType::Float64});
}

}  // namespace

std::vector<OpCase> softmax_cases() {
  return {
      {.op = "softmax",
       .variant = "masked",
       .inputs = {{{2, 4, 3, 2}, -2, 2}},
       .function = [](const Tensors& x) { return softmax(x[0], 1, ops::to(example_mask(), x[0].device())); },
       .reference = [](const Tensors& x) { return softmax_reference(x[0], example_mask()); },
       .errors = {{[] {
                     softmax(zeros({2, 3}), 2);
                   },
                   "softmax: dimension 2 is out of range"},
                  {[] {
                     softmax(zeros({2, 3}), 1, zeros({2, 3}));
                   },
                   "softmax: the mask is float32 [2,3] on cpu, expected bool [2,3]"}}},
      {.op = "softmax",
       .variant = "all",
       .inputs = {{{2, 4, 6}, -2, 2}},
       .function = [](const Tensors& x) { return softmax(x[0], -2); },
       .reference = [](const Tensors& x) { return softmax_reference(x[0], {}); },
       .empty = {{2, 0, 6}}},
      {.op = "weighted_sum",
       .inputs = {{{2, 70, 3, 2}}, {{2, 70, 3, 2}}, {{2, 70, 3, 2}}, {{2, 3, 3, 2}}},
       .function =
           [](const Tensors& x) {
             return weighted_sum({x[0], x[1], x[2]}, x[3]);
           },
       .reference = weighted_sum_reference,
       .empty = {{0, 70, 3, 2}, {0, 70, 3, 2}, {0, 70, 3, 2}, {0, 3, 3, 2}},
       .errors = {{[] {
                     weighted_sum({zeros({2, 3, 4, 5})}, zeros({2, 2, 4, 5}));
                   },
                   "weighted_sum: weights [2,2,4,5] do not fit 1 frames of [2,3,4,5]"},
                  {[] {
                     weighted_sum({}, zeros({2, 2, 4, 5}));
                   },
                   "weighted_sum: 0 frames were given"}}},
  };
}

}  // namespace bevgrad::testing
