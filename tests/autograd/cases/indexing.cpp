#include "autograd/functions/indexing.h"

#include "autograd/functions/index.h"

#include <algorithm>

#include "autograd/cases/lines.h"
#include "autograd/functions/arrange.h"
#include "autograd/functions/dropout.h"
#include "autograd/functions/linear.h"
#include "autograd/functions/pointwise.h"
#include "autograd/functions/products.h"
#include "autograd/functions/shape.h"
#include "autograd/op_cases.h"

namespace bevgrad::testing {
namespace {

using Tensors = std::vector<Tensor>;
using Values = std::vector<double>;

Tensor index_of(std::initializer_list<double> values, const Shape& sizes, Device device = {}) {
  return from_values(values, sizes, {DType::Int64, {}, device});
}

// y[i] = x[source(i)], a source of -1 meaning `other`.
OpFunction picked(const Shape& sizes, std::vector<int> sources, double other = 0) {
  return [=](const Tensors& x) {
    const Values v = x[0].to_vector();
    Values result;
    for (const int source : sources) result.push_back(source < 0 ? other : v[static_cast<size_t>(source)]);
    return from_values(result, sizes, {DType::Float64});
  };
}

Tensor product(const Tensor& a, const Tensor& b) {
  const Values x = a.to_vector(), y = b.to_vector();
  const int64_t batch = a.size(0), m = a.size(1), k = a.size(2), n = b.size(2);
  Values c(static_cast<size_t>(batch * m * n), 0.0);
  for (int64_t s = 0; s < batch; ++s)
    for (int64_t i = 0; i < m; ++i)
      for (int64_t j = 0; j < n; ++j)
        for (int64_t p = 0; p < k; ++p) c[(s * m + i) * n + j] += x[(s * m + i) * k + p] * y[(s * k + p) * n + j];
  return from_values(c, {batch, m, n}, {DType::Float64});
}

Tensor as_batch(const Tensor& x, const Shape& sizes) {
  return ops::contiguous(ops::expand(x, sizes));
}

}  // namespace

std::vector<OpCase> indexing_cases() {
  return {
      {.op = "gather",
       .inputs = {{{2, 3}}},
       .function =
           [](const Tensors& x) {
             return gather(x[0], 1, index_of({0, 2, 2, 0, 1, 1, 0, 2}, {2, 4}, x[0].device()));
           },
       .reference = picked({2, 4}, {0, 2, 2, 0, 4, 4, 3, 5}),
       .errors = {{[] {
                     gather(zeros({2, 3}), 1, index_of({0, 3}, {2, 1}));
                   },
                   "gather: index 1 is 3, expected 0 to 2"},
                  {[] {
                     gather(zeros({2, 3}), 1, index_of({0, 0, 0}, {3, 1}));
                   },
                   "gather: the index [3,1] does not fit [2,3] along dimension 1"},
                  {[] {
                     gather(zeros({2, 3}), 1, zeros({2, 1}));
                   },
                   "gather: the index is float32 [2,1] on cpu"}}},
      {.op = "scatter_add",
       .inputs = {{{3, 2}}, {{4, 2}}},
       .function =
           [](const Tensors& x) {
             return scatter_add(x[0], 0, index_of({0, 2, 0, 1, 2, 2, 0, 1}, {4, 2}, x[0].device()), x[1]);
           },
       .reference =
           [](const Tensors& x) {
             const Values v = x[0].to_vector(), s = x[1].to_vector();
             return from_values(
                 {v[0] + s[0] + s[2] + s[6], v[1], v[2], v[3] + s[3] + s[7], v[4] + s[4], v[5] + s[1] + s[5]}, {3, 2},
                 {DType::Float64});
           },
       .errors = {{[] {
                     scatter_add(zeros({3, 2}), 0, index_of({0}, {1, 1}), zeros({2, 1}));
                   },
                   "scatter_add: x is float32 [3,2] on cpu"}}},
      {.op = "scatter",
       .inputs = {{{3, 2}}, {{2, 2}}},
       .function =
           [](const Tensors& x) {
             return scatter(x[0], 0, index_of({2, 1, 0, 1}, {2, 2}, x[0].device()), x[1]);
           },
       .reference =
           [](const Tensors& x) {
             const Values v = x[0].to_vector(), s = x[1].to_vector();
             return from_values({s[2], v[1], v[2], s[3], s[0], v[5]}, {3, 2}, {DType::Float64});
           },
       .errors = {{[] {
                     scatter(zeros({3, 2}), 0, index_of({3}, {1, 1}), zeros({1, 1}));
                   },
                   "scatter: index 0 is 3, expected 0 to 2"}}},
      {.op = "index_add",
       .inputs = {{{2, 3}}, {{2, 4}}},
       .function =
           [](const Tensors& x) {
             return index_add(x[0], 1, index_of({2, 0, 2, 2}, {4}, x[0].device()), x[1]);
           },
       .reference =
           [](const Tensors& x) {
             const Values v = x[0].to_vector(), s = x[1].to_vector();
             return from_values(
                 {v[0] + s[1], v[1], v[2] + s[0] + s[2] + s[3], v[3] + s[5], v[4], v[5] + s[4] + s[6] + s[7]}, {2, 3},
                 {DType::Float64});
           },
       .errors = {{[] {
                     index_add(zeros({2, 3}), 1, index_of({0}, {1}), zeros({2, 3}));
                   },
                   "index_add: the source is [2,3], expected [2,1]"}}},
      {.op = "index_select",
       .inputs = {{{2, 3, 2}}},
       .function =
           [](const Tensors& x) {
             return index_select(x[0], 1, index_of({2, 0, 2, 2}, {4}, x[0].device()));
           },
       .reference = picked({2, 4, 2}, {4, 5, 0, 1, 4, 5, 4, 5, 10, 11, 6, 7, 10, 11, 10, 11}),
       .empty = {{0, 3, 2}},
       .errors = {{[] { index_select(zeros({2}), 0, index_of({-1}, {1})); }, "index_select: index 0 is -1"}}},
      {.op = "embedding",
       .inputs = {{{3, 2}}},
       .function =
           [](const Tensors& x) {
             return embedding(index_of({1, 0, 2, 1}, {2, 2}, x[0].device()), x[0]);
           },
       .reference = picked({2, 2, 2}, {2, 3, 0, 1, 4, 5, 2, 3}),
       .errors = {{[] {
                     embedding(index_of({3}, {1}), zeros({3, 2}));
                   },
                   "index_select: index 0 is 3"}}},
      {.op = "sort",
       .inputs = {{{3, 5, 2}, -3, 3}},
       .function = [](const Tensors& x) { return sort(x[0], 1, true).values; },
       .reference =
           [](const Tensors& x) {
             return by_lines(x[0], 1, [](Values v) {
               std::sort(v.rbegin(), v.rend());
               return v;
             });
           }},
      {.op = "topk",
       .inputs = {{{3, 5, 2}, -3, 3}},
       .function = [](const Tensors& x) { return topk(x[0], 2, 1, false).values; },
       .reference =
           [](const Tensors& x) {
             return by_lines(x[0], 1, [](Values v) {
               std::sort(v.begin(), v.end());
               return Values{v[0], v[1]};
             });
           },
       .errors = {{[] { topk(zeros({2}), 3); }, "topk: 3 of dimension -1 of [2]"}}},
      {.op = "slice",
       .inputs = {{{2, 7}}},
       .function = [](const Tensors& x) { return slice(x[0], -1, 1, -1, 2); },
       .reference = picked({2, 3}, {1, 3, 5, 8, 10, 12}),
       .empty = {{2, 0}},
       .errors = {{[] { slice(zeros({2}), 0, 0, 2, 0); }, "slice: the step is 0"},
                  {[] { slice(zeros({2}), 1); }, "dimension 1"}}},
      {.op = "slice",
       .variant = "nothing",
       .inputs = {{{2, 3}}},
       .function =
           [](const Tensors& x) {
             return cat({slice(x[0], 0, 5, 9), slice(x[0], 0, 1), slice(x[0], 0, 1, 0)}, 0);
           },
       .reference = picked({1, 3}, {3, 4, 5})},
      {.op = "index",
       .inputs = {{{2, 3, 4}}},
       .function =
           [](const Tensors& x) {
             return index(x[0], {-1, Slice(1, 3), newaxis, Slice(0, 4, 3)});
           },
       .reference = picked({2, 1, 2}, {16, 19, 20, 23}),
       .errors = {{[] {
                     index(zeros({2}), {0, Slice()});
                   },
                   "index: 2 entries for [2]"},
                  {[] {
                     index(zeros({2}), {ellipsis, ellipsis});
                   },
                   "index: more than one ellipsis"}}},
      {.op = "index",
       .variant = "ellipsis",
       .inputs = {{{2, 3, 2}}},
       .function =
           [](const Tensors& x) {
             return index(x[0], {ellipsis, 1});
           },
       .reference = picked({2, 3}, {1, 3, 5, 7, 9, 11}),
       .empty = {{2, 0, 2}}},
      {.op = "flip",
       .inputs = {{{2, 3, 2}}},
       .function =
           [](const Tensors& x) {
             return flip(x[0], {0, -1});
           },
       .reference = picked({2, 3, 2}, {7, 6, 9, 8, 11, 10, 1, 0, 3, 2, 5, 4}),
       .empty = {{2, 0, 2}},
       .errors = {{[] {
                     flip(zeros({2}), {0, -1});
                   },
                   "flip: dimension -1 is named twice"}}},
      {.op = "roll",
       .inputs = {{{2, 3}}},
       .function = [](const Tensors& x) { return roll(x[0], -4, 1); },
       .reference = picked({2, 3}, {1, 2, 0, 4, 5, 3}),
       .empty = {{2, 0}}},
      {.op = "repeat",
       .inputs = {{{2, 1}}},
       .function =
           [](const Tensors& x) {
             return repeat(x[0], {2, 1, 3});
           },
       .reference = picked({2, 2, 3}, {0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1}),
       .errors = {{[] {
                     repeat(zeros({2, 3}), {2});
                   },
                   "repeat: 1 numbers for a tensor of rank 2"}}},
      {.op = "pad",
       .variant = "constant",
       .inputs = {{{2, 3}}},
       .function =
           [](const Tensors& x) {
             return pad(x[0], {1, -1, 0, 1}, PadMode::Constant, 9);
           },
       .reference = picked({3, 3}, {-1, 0, 1, -1, 3, 4, -1, -1, -1}, 9),
       .errors = {{[] {
                     pad(zeros({2}), {1, 1, 1, 1});
                   },
                   "pad: 4 widths for a tensor of rank 1"},
                  {[] {
                     pad(zeros({2}), {2, 0}, PadMode::Reflect);
                   },
                   "pad: reflecting 2 and 0 entries"}}},
      {.op = "pad",
       .variant = "reflect",
       .inputs = {{{2, 3}}},
       .function =
           [](const Tensors& x) {
             return pad(x[0], {2, 1}, PadMode::Reflect);
           },
       .reference = picked({2, 6}, {2, 1, 0, 1, 2, 1, 5, 4, 3, 4, 5, 4})},
      {.op = "pad",
       .variant = "replicate",
       .inputs = {{{2, 3}}},
       .function =
           [](const Tensors& x) {
             return pad(x[0], {0, 2, 1, 0}, PadMode::Replicate);
           },
       .reference = picked({3, 5}, {0, 1, 2, 2, 2, 0, 1, 2, 2, 2, 3, 4, 5, 5, 5})},
      {.op = "select",
       .variant = "pieces",
       .inputs = {{{3, 4, 2}}},
       .function =
           [](const Tensors& x) {
             // Some pieces twice, some not at all.
             const Tensors parts = unbind(x[0], 1), halves = split(x[0], {3, 1}, 1), chunks = chunk(x[0], 3, 1);
             return add(mul(parts[0], parts[2]), add(select(halves[0], 1, 2), mul(select(chunks[1], 1, 1), 3.0)));
           },
       .reference =
           [](const Tensors& x) {
             const auto part = [&](int64_t i) { return ops::contiguous(ops::select(x[0], 1, i)); };
             return ops::add(ops::mul(part(0), part(2)), ops::add(part(2), ops::mul(part(3), 3.0)));
           }},
      {.op = "bmm",
       .inputs = {{{3, 2, 4}}, {{3, 4, 5}}},
       .function = [](const Tensors& x) { return bmm(x[0], x[1]); },
       .reference = [](const Tensors& x) { return product(x[0], x[1]); },
       .empty = {{0, 2, 4}, {0, 4, 5}},
       .errors = {{[] {
                     bmm(zeros({2, 3, 4}), zeros({2, 3, 4}));
                   },
                   "bmm: float32 [2,3,4] on cpu does not go with"}},
       .bfloat16_tolerance = 0.06},
      {.op = "bmm",
       .variant = "large",
       .inputs = {{{2, 40, 41}, -0.3, 0.3}, {{2, 41, 42}, -0.3, 0.3}},
       .function = [](const Tensors& x) { return mul(bmm(x[0], x[1]), 0.1); },
       .reference = [](const Tensors& x) { return ops::mul(product(x[0], x[1]), 0.1); },
       .bfloat16_tolerance = 0.06},
      {.op = "matmul",
       .variant = "batches",
       .inputs = {{{2, 1, 3, 4}}, {{5, 4, 2}}},
       .function = [](const Tensors& x) { return matmul(x[0], x[1]); },
       .reference =
           [](const Tensors& x) {
             const Tensor a = ops::reshape(as_batch(x[0], {2, 5, 3, 4}), {10, 3, 4});
             const Tensor b = ops::reshape(as_batch(x[1], {2, 5, 4, 2}), {10, 4, 2});
             return ops::reshape(product(a, b), {2, 5, 3, 2});
           },
       .errors = {{[] {
                     matmul(zeros({2, 2, 3}), zeros({2, 2, 3}));
                   },
                   "matmul: inner sizes differ: [2,2,3] x [2,2,3]"}},
       .bfloat16_tolerance = 0.06},
      {.op = "matmul",
       .variant = "vectors",
       .inputs = {{{4}}, {{4}}},
       .function = [](const Tensors& x) { return matmul(x[0], x[1]); },
       .reference =
           [](const Tensors& x) {
             return ops::reshape(product(ops::view(x[0], {1, 1, 4}), ops::view(x[1], {1, 4, 1})), {});
           },
       .errors = {{[] { matmul(scalar(1), zeros({2})); }, "matmul: a scalar has no matrix product"}},
       .bfloat16_tolerance = 0.06},
      {.op = "matmul",
       .variant = "vector_and_batch",
       .inputs = {{{4}}, {{3, 4, 2}}},
       .function = [](const Tensors& x) { return matmul(x[0], x[1]); },
       .reference =
           [](const Tensors& x) {
             return ops::reshape(product(as_batch(x[0], {3, 1, 4}), x[1]), {3, 2});
           },
       .bfloat16_tolerance = 0.06},
      {.op = "matmul",
       .variant = "batch_and_vector",
       .inputs = {{{3, 2, 4}}, {{4}}},
       .function = [](const Tensors& x) { return matmul(x[0], x[1]); },
       .reference =
           [](const Tensors& x) {
             return ops::reshape(product(x[0], as_batch(ops::view(x[1], {4, 1}), {3, 4, 1})), {3, 2});
           },
       .bfloat16_tolerance = 0.06},
      {.op = "outer",
       .inputs = {{{3}}, {{4}}},
       .function = [](const Tensors& x) { return outer(x[0], x[1]); },
       .reference =
           [](const Tensors& x) {
             return ops::mul(ops::view(x[0], {3, 1}), x[1]);
           },
       .errors = {{[] {
                     outer(zeros({2, 2}), zeros({2}));
                   },
                   "outer: expected [m] and [n]"}}},
      {.op = "dropout",
       .inputs = {{{5, 7}}},
       .function =
           [](const Tensors& x) {
             Generator generator(3);
             return dropout(x[0], 0.4, generator);
           },
       .reference =
           [](const Tensors& x) {
             // The words of Philox under the seed that the generator draws, four elements a counter.
             Generator generator(3);
             const uint64_t seed = generator.next_u64();
             Values v = x[0].to_vector();
             for (size_t i = 0; i < v.size(); ++i) {
               const auto words = philox({static_cast<uint32_t>(i / 4), 0, 0x64726f70u, 0},
                                         {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)});
               v[i] = static_cast<double>(words[i % 4]) < 0.4 * 4294967296.0 ? 0 : v[i] / 0.6;
             }
             return from_values(v, x[0].sizes(), {DType::Float64});
           },
       .empty = {{0, 7}},
       .errors = {{[] {
                     Generator generator(1);
                     dropout(zeros({2}), 1.0, generator);
                   },
                   "dropout: the probability is 1, expected 0 to below 1"}}},
  };
}

}  // namespace bevgrad::testing
