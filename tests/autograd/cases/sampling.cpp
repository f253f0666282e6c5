#include "autograd/functions/sampling.h"

#include "autograd/functions/warp.h"
#include "autograd/op_cases.h"

namespace bevgrad::testing {
namespace {

using Tensors = std::vector<Tensor>;

// Two groups (one camera with 3x4 features, two with 2x3), a grid of 2 heights x 2 rows x 3 columns. Looks of every
// kind: inside, on a pixel, past each border, two cameras at one point, a point that nobody sees.
BevSamplingTable example_table(double shift) {
  BevSamplingTable table{2, 2, 3, {{1, 3, 4}, {2, 2, 3}}, {0}, {}};
  const auto at = [&](int group, int camera, double u, double v) {
    table.looks.push_back({group, camera, static_cast<float>(u + shift), static_cast<float>(v)});
  };
  for (int point = 0; point < 12; ++point) {
    if (point == 0) at(0, 0, 1.25, 0.75);
    if (point == 1) at(0, 0, 2.0, 1.0);
    if (point == 2) at(0, 0, -0.4, 2.4);
    if (point == 3) at(1, 0, 2.45, -0.3);
    if (point == 4) at(1, 1, 0.3, 0.6), at(0, 0, 2.9, 1.5);
    if (point >= 6) at(1, point % 2, 0.2 * point, 0.07 * point), at(0, 0, 0.3 * point, 0.1 * point);
    table.offsets.push_back(static_cast<int64_t>(table.looks.size()));
  }
  return table;
}

std::vector<std::shared_ptr<const BevSampling>> example_samplings() {
  return {std::make_shared<BevSampling>(example_table(0)), std::make_shared<BevSampling>(example_table(0.15))};
}

double clamped_bilinear(const Tensor& x, int64_t image, int64_t channel, double u, double v) {
  const double h = static_cast<double>(x.size(2)), w = static_cast<double>(x.size(3));
  u = std::clamp(u, 0.0, w - 1);
  v = std::clamp(v, 0.0, h - 1);
  const auto values = x.to_vector();
  auto value = [&](double row, double column) {
    row = std::min(row, h - 1);
    column = std::min(column, w - 1);
    return values[static_cast<size_t>(((image * x.size(1) + channel) * x.size(2) + static_cast<int64_t>(row)) *
                                          x.size(3) +
                                      static_cast<int64_t>(column))];
  };
  const double x0 = std::floor(u), y0 = std::floor(v), fx = u - x0, fy = v - y0;
  return (1 - fy) * ((1 - fx) * value(y0, x0) + fx * value(y0, x0 + 1)) +
         fy * ((1 - fx) * value(y0 + 1, x0) + fx * value(y0 + 1, x0 + 1));
}

Tensor sampled_reference(const Tensors& features) {
  const int64_t channels = features[0].size(1);
  std::vector<double> result;
  for (int64_t n = 0; n < 2; ++n) {
    const BevSamplingTable table = example_table(n == 0 ? 0 : 0.15);
    for (int64_t z = 0; z < 2; ++z)
      for (int64_t c = 0; c < channels; ++c)
        for (int64_t cell = 0; cell < 6; ++cell) {
          const int64_t point = z * 6 + cell;
          double sum = 0;
          for (int64_t i = table.offsets[point]; i < table.offsets[point + 1]; ++i) {
            const BevLook& look = table.looks[i];
            sum += clamped_bilinear(features[look.group], n * table.groups[look.group].cameras + look.camera, c, look.u,
                                    look.v);
          }
          const auto count = static_cast<double>(table.offsets[point + 1] - table.offsets[point]);
          result.push_back(count ? sum / count : 0);
        }
  }
  return from_values(result, {2, 2 * channels, 2, 3}, {DType::Float64});
}

const BevRange kRange{-2, -1, 2, 2};

// A shift and a turn for each of two samples.
Tensor example_matrices() {
  return from_values({0.8, -0.6, 0.3, 0.6, 0.8, -0.2, 1, 0, 0.37, 0, 1, 1.11}, {2, 2, 3}, {DType::Float64});
}

// Per output cell the source position in pixels, zero outside.
OpFunction warp_reference(std::function<std::pair<double, double>(int64_t n, int64_t row, int64_t column)> position,
                          int64_t rows, int64_t columns, Interpolation mode) {
  return [=](const Tensors& inputs) {
    const Tensor& x = inputs[0];
    const auto values = x.to_vector();
    auto value = [&](int64_t n, int64_t c, double row, double column) {
      if (row < 0 || column < 0 || row >= static_cast<double>(x.size(2)) || column >= static_cast<double>(x.size(3)))
        return 0.0;
      return values[static_cast<size_t>(((n * x.size(1) + c) * x.size(2) + static_cast<int64_t>(row)) * x.size(3) +
                                        static_cast<int64_t>(column))];
    };
    std::vector<double> result;
    for (int64_t n = 0; n < x.size(0); ++n)
      for (int64_t c = 0; c < x.size(1); ++c)
        for (int64_t row = 0; row < rows; ++row)
          for (int64_t column = 0; column < columns; ++column) {
            const auto [u, v] = position(n, row, column);
            if (mode == Interpolation::Nearest) {
              result.push_back(value(n, c, std::nearbyint(v), std::nearbyint(u)));
              continue;
            }
            const double u0 = std::floor(u), v0 = std::floor(v), fu = u - u0, fv = v - v0;
            result.push_back((1 - fv) * ((1 - fu) * value(n, c, v0, u0) + fu * value(n, c, v0, u0 + 1)) +
                             fv * ((1 - fu) * value(n, c, v0 + 1, u0) + fu * value(n, c, v0 + 1, u0 + 1)));
          }
    return from_values(result, {x.size(0), x.size(1), rows, columns}, {DType::Float64});
  };
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
          .reference = warp_reference(position, 4, 5, mode),
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
          .reference = warp_reference(position, 3, 4, mode),
          .errors = {{[=] {
                        grid_sample(zeros({1, 1, 4, 5}), grid, mode);
                      },
                      "grid_sample: input [1,1,4,5], grid [2,3,4,2]"}}};
}

}  // namespace

std::vector<OpCase> sampling_cases() {
  BevSamplingTable wrong = example_table(0);
  wrong.looks[0].camera = 1;
  BevSamplingTable unordered = example_table(0);
  unordered.offsets[3] = 0;
  return {{.op = "bev_sample",
           .inputs = {{{2, 3, 3, 4}}, {{4, 3, 2, 3}}},
           .function = [](const Tensors& x) { return bev_sample(x, example_samplings()); },
           .reference = sampled_reference,
           .empty = {{2, 0, 3, 4}, {4, 0, 2, 3}},
           .errors = {{[] {
                         bev_sample({zeros({2, 3, 3, 4}), zeros({2, 3, 2, 3})}, example_samplings());
                       },
                       "bev_sample: features of group 1 are float32 [2,3,2,3] on cpu, expected float32 [4,3,2,3]"},
                      {[] {
                         bev_sample({zeros({2, 3, 3, 4})}, example_samplings());
                       },
                       "are not for 1 groups"},
                      {[wrong] { BevSampling sampling(wrong); }, "BevSampling: point 0 looks at group 0, camera 1"},
                      {[unordered] { BevSampling sampling(unordered); }, "the offsets of point 2 are not in order"}},
           // The taps' weights are float32.
           .float64_tolerance = 1e-6},
          warp_row("nearest", Interpolation::Nearest),
          warp_row("bilinear", Interpolation::Bilinear),
          grid_row("nearest", Interpolation::Nearest),
          grid_row("bilinear", Interpolation::Bilinear)};
}

}  // namespace bevgrad::testing
