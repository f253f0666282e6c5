#include "autograd/functions/einsum.h"

#include <map>

#include "autograd/op_cases.h"

namespace bevgrad::testing {
namespace {

using Tensors = std::vector<Tensor>;

// Every combination of the letters' values, added up: `terms` spells each operand's dimensions out, `result` the
// result's.
Tensor by_definition(const Tensors& operands, const std::vector<std::string>& terms, const std::string& result) {
  std::map<char, int64_t> sizes;
  for (size_t i = 0; i < terms.size(); ++i)
    for (size_t d = 0; d < terms[i].size(); ++d)
      sizes[terms[i][d]] = std::max(sizes[terms[i][d]], operands[i].size(static_cast<int>(d)));
  std::vector<std::vector<double>> values;
  for (const Tensor& x : operands) values.push_back(x.to_vector());
  Shape shape;
  for (const char letter : result) shape.push_back(sizes[letter]);
  std::vector<double> sums(static_cast<size_t>(numel(shape)), 0.0);
  int64_t combinations = 1;
  for (const auto& [letter, size] : sizes) combinations *= size;
  for (int64_t i = 0; i < combinations; ++i) {
    std::map<char, int64_t> at;
    int64_t rest = i;
    for (const auto& [letter, size] : sizes) {
      at[letter] = rest % size;
      rest /= size;
    }
    double product = 1;
    for (size_t k = 0; k < terms.size(); ++k) {
      int64_t place = 0;
      for (size_t d = 0; d < terms[k].size(); ++d) {
        const int64_t size = operands[k].size(static_cast<int>(d));
        place = place * size + (size == 1 ? 0 : at[terms[k][d]]);
      }
      product *= values[k][place];
    }
    int64_t place = 0;
    for (const char letter : result) place = place * sizes[letter] + at[letter];
    sums[place] += product;
  }
  return from_values(sums, shape, {DType::Float64});
}

OpCase make(const std::string& equation, const std::vector<Shape>& sizes, const std::vector<std::string>& terms,
            const std::string& result) {
  OpCase row{.op = "einsum", .variant = equation};
  for (const Shape& shape : sizes) row.inputs.push_back({shape});
  row.function = [equation](const Tensors& t) { return einsum(equation, t); };
  row.reference = [=](const Tensors& t) { return by_definition(t, terms, result); };
  row.bfloat16_tolerance = 0.1;
  return row;
}

}  // namespace

std::vector<OpCase> einsum_cases() {
  std::vector<OpCase> rows{
      make("ij,jk->ik", {{3, 4}, {4, 2}}, {"ij", "jk"}, "ik"),
      make("bij, bkj -> bik", {{2, 3, 4}, {2, 5, 4}}, {"bij", "bkj"}, "bik"),
      make("ij", {{3, 4}}, {"ij"}, "ij"),
      make("ji", {{3, 4}}, {"ji"}, "ij"),
      make("ij->", {{3, 4}}, {"ij"}, ""),
      make("i,j->ji", {{3}, {4}}, {"i", "j"}, "ji"),
      make("ii->i", {{3, 3}}, {"ii"}, "i"),
      make("ijj,j->i", {{2, 3, 3}, {3}}, {"ijj", "j"}, "i"),
      make("ab,bc,cd,a->d", {{2, 3}, {3, 4}, {4, 2}, {2}}, {"ab", "bc", "cd", "a"}, "d"),
      make("bhqd,bhkd->bhqk", {{2, 2, 3, 4}, {2, 2, 5, 4}}, {"bhqd", "bhkd"}, "bhqk"),
      make("...ij,...jk->...ik", {{2, 3, 2, 4}, {3, 4, 2}}, {"xyij", "yjk"}, "xyik"),
      make("i...,i->...", {{3, 2, 4}, {3}}, {"ixy", "i"}, "xy"),
      make("...i,...i", {{2, 3}, {1, 3}}, {"xi", "xi"}, "x"),
      make("ij,kl->ij", {{2, 3}, {2, 2}}, {"ij", "kl"}, "ij"),
  };
  rows[0].empty = {{3, 0}, {0, 2}};
  rows[0].errors = {{[] {
                       einsum("ij,jk->ik", {zeros({2, 3})});
                     },
                     "einsum: ij,jk->ik has 2 terms for 1 operands"},
                    {[] {
                       einsum("ij,jk->ik", {zeros({2, 3}), zeros({4, 2})});
                     },
                     "einsum: 'j' is 3 in one operand and 4 in another"},
                    {[] {
                       einsum("ij->ii", {zeros({2, 2})});
                     },
                     "einsum: 'i' occurs twice in the result"},
                    {[] {
                       einsum("ij->k", {zeros({2, 2})});
                     },
                     "einsum: 'k' of the result of ij->k is in no operand"},
                    {[] {
                       einsum("i1->i", {zeros({2, 2})});
                     },
                     "einsum: '1' in i1->i is no letter"},
                    {[] {
                       einsum("ijk->i", {zeros({2, 2})});
                     },
                     "einsum: operand 0 is [2,2], which \"ijk\" does not fit"}};
  return rows;
}

}  // namespace bevgrad::testing
