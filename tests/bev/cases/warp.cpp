#include "bev/warp.h"

#include "bev/op_cases.h"
#include "support/sampled_at.h"

namespace bevgrad::testing {
namespace {

using Tensors = std::vector<Tensor>;

const BevRange kRange{-2, -1, 2, 2};

// A shift and a turn for each of two samples.
Tensor example_matrices() {
  return from_values({0.8, -0.6, 0.3, 0.6, 0.8, -0.2, 1, 0, 0.37, 0, 1, 1.11}, {2, 2, 3}, {DType::Float64});
}

OpCase warp_row(const std::string& variant, Interpolation mode) {
  const Tensor matrices = example_matrices();
  auto position = [matrices](int64_t n, int64_t row, int64_t column) {
    const double* m = matrices.data<double>() + 6 * n;
    const double x = -2 + (static_cast<double>(column) + 0.5) * 0.8, y = -1 + (static_cast<double>(row) + 0.5) * 0.75;
    return std::pair{(m[0] * x + m[1] * y + m[2] + 2) / 0.8 - 0.5, (m[3] * x + m[4] * y + m[5] + 1) / 0.75 - 0.5};
  };
  return {.op = "warp_bev",
          .variant = variant,
          .inputs = {{{2, 19, 4, 5}}},
          .function = [=](const Tensors& x) { return warp_bev(x[0], matrices, kRange, mode); },
          .reference = sampled_at(position, 4, 5, mode),
          .empty = {{2, 0, 4, 5}},
          .errors = {{[=] {
                        warp_bev(zeros({1, 1, 4, 5}), matrices, kRange, mode);
                      },
                      "warp_bev: input [1,1,4,5] and matrices [2,2,3] do not fit"},
                     {[=] {
                        warp_bev(zeros({2, 1, 4, 5}), zeros({2, 3}), kRange, mode);
                      },
                      "warp_bev: the matrices are float32 [2,3] on cpu, expected float64 [N,2,3]"}}};
}

}  // namespace

std::vector<OpCase> warp_cases() {
  return {warp_row("nearest", Interpolation::Nearest), warp_row("bilinear", Interpolation::Bilinear)};
}

}  // namespace bevgrad::testing
