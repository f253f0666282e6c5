#include "bev/lift_splat.h"

#include "bev/op_cases.h"

namespace bevgrad::testing {
namespace {

using Tensors = std::vector<Tensor>;

// Two groups (one camera with 2x3 features, two with 1x2), 5 bins, a grid of 2 rows x 3 columns. A pixel of one cell,
// of several, of the same cell twice with a gap between, without any; a cell of many pixels and cells of none.
LiftTable example_table(int32_t turn) {
  LiftTable table{5, 2, 3, {{1, 2, 3}, {2, 1, 2}}, {}};
  const auto add = [&](int32_t image, int32_t pixel, int32_t cell, int32_t begin, int32_t end) {
    table.runs.push_back({image, pixel, (cell + turn) % 5, begin, end});
  };
  add(0, 0, 0, 0, 5);
  add(0, 1, 0, 0, 2), add(0, 1, 1, 2, 3), add(0, 1, 2, 4, 5);
  add(0, 4, 0, 1, 2), add(0, 4, 0, 3, 5);
  add(0, 5, 4, 0, 1);
  add(1, 1, 0, 0, 1), add(1, 1, 3, 2, 4);
  add(2, 0, 3, 1, 5);
  return table;
}

std::vector<std::shared_ptr<const LiftSplatting>> example_splattings() {
  return {std::make_shared<LiftSplatting>(example_table(0)), std::make_shared<LiftSplatting>(example_table(2))};
}

Tensor splatted(const Tensors& x) {
  return lift_splat({x[0], x[1]}, {x[2], x[3]}, example_splattings());
}

// The frustum point by point.
Tensor splatted_reference(const Tensors& x) {
  const int64_t channels = x[2].size(1);
  std::vector<double> result(static_cast<size_t>(2 * channels * 6), 0.0);
  for (int64_t n = 0; n < 2; ++n) {
    const LiftTable table = example_table(n == 0 ? 0 : 2);
    for (const LiftRun& run : table.runs) {
      const size_t group = run.image == 0 ? 0 : 1;
      const int64_t cameras = table.groups[group].cameras, image = n * cameras + run.image - (group == 0 ? 0 : 1);
      const int64_t pixels = x[group].size(2) * x[group].size(3);
      const auto value = [&](const Tensor& map, int64_t channel) {
        return map.to_vector()[static_cast<size_t>((image * map.size(1) + channel) * pixels + run.pixel)];
      };
      for (int64_t bin = run.begin; bin < run.end; ++bin)
        for (int64_t c = 0; c < channels; ++c)
          result[static_cast<size_t>((n * channels + c) * 6 + run.cell)] +=
              value(x[group], bin) * value(x[2 + group], c);
    }
  }
  return from_values(result, {2, channels, 2, 3}, {DType::Float64});
}

}  // namespace

std::vector<OpCase> lift_splat_cases() {
  LiftTable nowhere = example_table(0);
  nowhere.runs[0].cell = 6;
  LiftTable twice = example_table(0);
  twice.runs[5].begin = 1;
  return {
      {.op = "lift_splat",
       .inputs = {{{2, 5, 2, 3}}, {{4, 5, 1, 2}}, {{2, 3, 2, 3}}, {{4, 3, 1, 2}}},
       .function = splatted,
       .reference = splatted_reference,
       .empty = {{2, 5, 2, 3}, {4, 5, 1, 2}, {2, 0, 2, 3}, {4, 0, 1, 2}},
       .errors = {{[] {
                     lift_splat({zeros({2, 5, 2, 3}), zeros({4, 5, 1, 2})}, {zeros({2, 3, 2, 3}), zeros({4, 2, 1, 2})},
                                example_splattings());
                   },
                   "lift_splat: the context of group 1 is float32 [4,2,1,2] on cpu, expected float32 [4,3,1,2]"},
                  {[] {
                     lift_splat({zeros({2, 4, 2, 3}), zeros({4, 4, 1, 2})}, {zeros({2, 3, 2, 3}), zeros({4, 3, 1, 2})},
                                example_splattings());
                   },
                   "lift_splat: the depth of group 0 is float32 [2,4,2,3] on cpu, expected float32 [2,5,2,3]"},
                  {[] {
                     lift_splat({zeros({2, 5, 2, 3})}, {zeros({2, 3, 2, 3})}, example_splattings());
                   },
                   "are not for 1 groups"},
                  {[nowhere] { LiftSplatting table(nowhere); }, "bins 0 to 5 of pixel 0 of image 0 in cell 6"},
                  {[twice] { LiftSplatting table(twice); }, "bins 1 to 5 of pixel 4 of image 0 stand out of order"}}}};
}

}  // namespace bevgrad::testing
