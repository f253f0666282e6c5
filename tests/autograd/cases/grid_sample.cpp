#include "autograd/functions/grid_sample.h"

#include <algorithm>

#include "autograd/functions/shape.h"
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

// A coordinate of the grid in pixels, brought back to the map step by step.
double placed(double g, int64_t size, GridPadding padding, bool align_corners) {
  const double n = static_cast<double>(size), low = align_corners ? 0 : -0.5, high = align_corners ? n - 1 : n - 0.5;
  double at = align_corners ? (g + 1) / 2 * (n - 1) : ((g + 1) * n - 1) / 2;
  if (padding == GridPadding::Zeros) return at;
  while (padding == GridPadding::Reflection && (at < low || at > high))
    at = high == low ? low : (at < low ? 2 * low - at : 2 * high - at);
  return std::clamp(at, 0.0, n - 1);
}

// The grid is an input as well; it reaches far beyond the map.
OpCase learned_row(const std::string& variant, const Shape& x, Interpolation mode, GridPadding padding,
                   bool align_corners) {
  return {
      .op = "grid_sample",
      .variant = "learned, " + variant,
      .inputs = {{x}, {{x[0], 3, 4, 2}, -3.1, 3.2}},
      .function =
          [=](const Tensors& t) {
            const Tensor grid = t[1].dtype() == DType::BFloat16 ? to(t[1], DType::Float32) : t[1];
            return grid_sample(t[0], grid, mode, padding, align_corners);
          },
      .reference =
          [=](const Tensors& t) {
            const std::vector<double> grid = t[1].to_vector();
            const auto position = [=](int64_t n, int64_t row, int64_t column) {
              const double* g = grid.data() + ((n * 3 + row) * 4 + column) * 2;
              return std::pair{placed(g[0], x[3], padding, align_corners), placed(g[1], x[2], padding, align_corners)};
            };
            return sampled_at(position, 3, 4, mode)(t);
          },
      .empty = {{0, x[1], x[2], x[3]}, {0, 3, 4, 2}},
      // What rounding the grid to bfloat16 moves is compared between devices only.
      .bfloat16_tolerance = -1};
}

}  // namespace

std::vector<OpCase> grid_sample_cases() {
  return {grid_row("nearest", Interpolation::Nearest),
          grid_row("bilinear", Interpolation::Bilinear),
          learned_row("zeros", {2, 3, 5, 6}, Interpolation::Bilinear, GridPadding::Zeros, false),
          learned_row("zeros, corners", {2, 3, 5, 6}, Interpolation::Bilinear, GridPadding::Zeros, true),
          learned_row("border", {1, 17, 4, 5}, Interpolation::Bilinear, GridPadding::Border, false),
          learned_row("border, corners", {2, 3, 5, 6}, Interpolation::Bilinear, GridPadding::Border, true),
          learned_row("reflection", {2, 3, 5, 6}, Interpolation::Bilinear, GridPadding::Reflection, false),
          learned_row("reflection, corners", {2, 3, 3, 2}, Interpolation::Bilinear, GridPadding::Reflection, true),
          learned_row("reflection of one pixel", {1, 2, 1, 1}, Interpolation::Bilinear, GridPadding::Reflection, true),
          learned_row("nearest, border", {2, 3, 5, 6}, Interpolation::Nearest, GridPadding::Border, false)};
}

}  // namespace bevgrad::testing
