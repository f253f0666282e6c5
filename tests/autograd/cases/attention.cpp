#include "autograd/functions/attention.h"

#include <limits>

#include "autograd/op_cases.h"

namespace bevgrad::testing {
namespace {

using Tensors = std::vector<Tensor>;

// [batch,L,S] of what is added to the scores.
using Bias = std::function<double(int64_t batch, int64_t query, int64_t key)>;

// Each output row by itself. Inputs are [batch,length,features], batch 1 standing for all.
Tensor by_rows(const Tensor& q, const Tensor& k, const Tensor& v, double scale, const Bias& bias) {
  const int64_t batch = std::max({q.size(0), k.size(0), v.size(0)}), length = q.size(1), keys = k.size(1);
  const int64_t features = q.size(2), width = v.size(2);
  const auto qs = q.to_vector(), ks = k.to_vector(), vs = v.to_vector();
  const auto row = [](const Tensor& x, int64_t b, int64_t i) {
    return ((x.size(0) == 1 ? 0 : b) * x.size(1) + i) * x.size(2);
  };
  std::vector<double> result;
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t i = 0; i < length; ++i) {
      std::vector<double> sums(width, 0.0);
      double total = 0;
      for (int64_t j = 0; j < keys; ++j) {
        double score = 0;
        for (int64_t f = 0; f < features; ++f) score += qs[row(q, b, i) + f] * ks[row(k, b, j) + f];
        const double weight = std::exp(score * scale + bias(b, i, j));
        total += weight;
        for (int64_t f = 0; f < width; ++f) sums[f] += weight * vs[row(v, b, j) + f];
      }
      for (const double sum : sums) result.push_back(total == 0 ? 0 : sum / total);
    }
  return from_values(result, {batch, length, width}, {DType::Float64});
}

constexpr double kNever = -std::numeric_limits<double>::infinity();

OpCase attention_case(const std::string& variant, const std::vector<OpInput>& inputs, const OpFunction& function,
                      double scale, const Bias& bias) {
  return {.op = "scaled_dot_product_attention",
          .variant = variant,
          .inputs = inputs,
          .function = function,
          .reference = [=](const Tensors& t) { return by_rows(t[0], t[1], t[2], scale, bias); }};
}

}  // namespace

std::vector<OpCase> attention_cases() {
  const double half = 1 / std::sqrt(4.0);
  // Query 1 of the first line sees no key, query 0 all but the last one.
  const std::vector<double> seen{1, 1, 0, 0, 0, 0, 1, 0, 1, 1, 1, 1};
  const auto plain = [](const Tensors& t) { return scaled_dot_product_attention(t[0], t[1], t[2]); };
  std::vector<OpCase> rows{
      attention_case("plain", {{{2, 3, 4}, -2, 2}, {{2, 5, 4}, -2, 2}, {{2, 5, 3}}}, plain, half,
                     [](int64_t, int64_t, int64_t) { return 0.0; }),
      attention_case("batch broadcast", {{{1, 3, 4}}, {{2, 2, 4}}, {{1, 2, 3}}}, plain, half,
                     [](int64_t, int64_t, int64_t) { return 0.0; }),
      attention_case(
          "causal", {{{2, 4, 4}, -2, 2}, {{2, 4, 4}, -2, 2}, {{2, 4, 2}}},
          [](const Tensors& t) {
            return scaled_dot_product_attention(t[0], t[1], t[2], {.is_causal = true, .scale = 0.7});
          },
          0.7, [](int64_t, int64_t i, int64_t j) { return j > i ? kNever : 0.0; }),
      attention_case(
          "bool mask", {{{1, 4, 4}}, {{1, 3, 4}}, {{1, 3, 2}}},
          [seen](const Tensors& t) {
            const Tensor mask = ops::to(from_values(seen, {4, 3}, {DType::Bool}), t[0].device());
            return scaled_dot_product_attention(t[0], t[1], t[2], {.attn_mask = mask});
          },
          half, [seen](int64_t, int64_t i, int64_t j) { return seen[i * 3 + j] == 0 ? kNever : 0.0; }),
      // A mask that is an input: the same for all queries of a line.
      {.op = "scaled_dot_product_attention",
       .variant = "added mask",
       .inputs = {{{2, 3, 4}}, {{2, 5, 4}}, {{2, 5, 3}}, {{2, 1, 5}, -2, 2}},
       .function = [](const Tensors& t) { return scaled_dot_product_attention(t[0], t[1], t[2], {.attn_mask = t[3]}); },
       .reference =
           [half](const Tensors& t) {
             const auto mask = t[3].to_vector();
             return by_rows(t[0], t[1], t[2], half, [mask](int64_t b, int64_t, int64_t j) { return mask[b * 5 + j]; });
           }},
      // Dropout with its own draws, the same each time: the gradient check is what counts.
      {.op = "scaled_dot_product_attention",
       .variant = "dropout",
       .inputs = {{{2, 3, 4}}, {{2, 5, 4}}, {{2, 5, 3}}},
       .function =
           [](const Tensors& t) {
             Generator generator(3);
             return scaled_dot_product_attention(t[0], t[1], t[2], {.dropout_p = 0.4, .generator = &generator});
           }},
  };
  rows[0].empty = {{0, 3, 4}, {0, 5, 4}, {0, 5, 3}};
  rows[1].empty = {{1, 3, 4}, {2, 0, 4}, {1, 0, 3}};
  rows[0].errors = {
      {[] {
         scaled_dot_product_attention(zeros({2, 3}), zeros({2, 4}), zeros({2, 3}));
       },
       "query float32 [2,3] on cpu, key float32 [2,4] on cpu"},
      {[] {
         scaled_dot_product_attention(zeros({2, 3}), zeros({2, 3}), zeros({2, 3}), {.attn_mask = zeros({3, 2})});
       },
       "scaled_dot_product_attention: shapes [3,2] and [2,2] do not broadcast"},
      {[] {
         scaled_dot_product_attention(zeros({2, 3}), zeros({2, 3}), zeros({2, 3}), {.dropout_p = 0.1});
       },
       "dropout_p 0.1 needs a generator"},
      {[] {
         scaled_dot_product_attention(zeros({2, 3}), zeros({2, 3}), zeros({2, 3}),
                                      {.attn_mask = zeros({2, 2}), .is_causal = true});
       },
       "is_causal goes without attn_mask"},
  };
  return rows;
}

}  // namespace bevgrad::testing
