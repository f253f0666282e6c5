#include "autograd/functions/grid_sample.h"

#include "autograd/op_cases.h"
#include "support/sampled_at.h"
#include "tensor/random.h"

namespace bevgrad::testing {
namespace {

using Tensors = std::vector<Tensor>;

OpCase grid_row(const std::string& variant, Interpolation mode) {
  const Tensor grid = Generator(3).uniform({2, 3, 4, 2}, -1.4, 1.4, {DType::Float64});
  auto position = [grid](int64_t n, int64_t row, int64_t column) {
    const double* g = grid.data<double>() + ((n * 3 + row) * 4 + column) * 2;
    return std::pair{((g[0] + 1) * 6 - 1) / 2, ((g[1] + 1) * 5 - 1) / 2};
  };
  return {.op = "grid_sample",
          .variant = variant,
          .inputs = {{{2, 3, 5, 6}}},
          .function = [=](const Tensors& x) { return grid_sample(x[0], grid, mode); },
          .reference = sampled_at(position, 3, 4, mode),
          .errors = {{[=] {
                        grid_sample(zeros({1, 1, 4, 5}), grid, mode);
                      },
                      "grid_sample: input [1,1,4,5], grid [2,3,4,2]"}}};
}

}  // namespace

std::vector<OpCase> grid_sample_cases() {
  return {grid_row("nearest", Interpolation::Nearest), grid_row("bilinear", Interpolation::Bilinear)};
}

}  // namespace bevgrad::testing
