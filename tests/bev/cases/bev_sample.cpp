#include "bev/bev_sampling.h"

#include "bev/op_cases.h"

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

}  // namespace

std::vector<OpCase> bev_sample_cases() {
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
           .float64_tolerance = 1e-6}};
}

}  // namespace bevgrad::testing
