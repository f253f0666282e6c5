#include "autograd/functions/channel_scale.h"

#include "autograd/functions/shape.h"
#include "autograd/op_cases.h"

namespace bevgrad::testing {
namespace {

using Tensors = std::vector<Tensor>;

Tensor add_scaled_reference(const Tensors& t) {
  int64_t inner = 1;
  for (int d = 2; d < t[0].dim(); ++d) inner *= t[0].size(d);
  std::vector<double> y = t[0].to_vector();
  const std::vector<double> branch = t[1].to_vector(), scale = t[2].to_vector();
  for (size_t i = 0; i < y.size(); ++i)
    y[i] += branch[i] * scale[i / static_cast<size_t>(inner) % static_cast<size_t>(t[0].size(1))];
  return from_values(y, t[0].sizes(), {DType::Float64});
}

OpCase scale_case(const std::string& variant, const Shape& x) {
  return {.op = "add_scaled",
          .variant = variant,
          .inputs = {{x}, {x}, {{x[1]}}},
          .function =
              [](const Tensors& t) {
                const DType parameters = t[0].dtype() == DType::Float64 ? DType::Float64 : DType::Float32;
                return add_scaled(t[0], t[1], to(t[2], parameters));
              },
          .reference = add_scaled_reference};
}

}  // namespace

std::vector<OpCase> channel_scale_cases() {
  std::vector<OpCase> rows{scale_case("maps", {2, 19, 3, 2}), scale_case("rows", {7, 5})};
  rows[0].empty = {{0, 3, 2, 2}, {0, 3, 2, 2}, {3}};
  rows[0].errors = {{[] {
                       add_scaled(zeros({2, 3, 2, 2}), zeros({2, 3, 2, 1}), zeros({3}));
                     },
                     "add_scaled: x float32 [2,3,2,2] on cpu, branch float32 [2,3,2,1] on cpu"},
                    {[] {
                       add_scaled(zeros({2, 3}), zeros({2, 3}), zeros({2}));
                     },
                     "scale float32 [2] on cpu"}};
  return rows;
}

}  // namespace bevgrad::testing
