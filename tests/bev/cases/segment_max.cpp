#include "bev/segment_max.h"

#include "bev/op_cases.h"

namespace bevgrad::testing {
namespace {

using Tensors = std::vector<Tensor>;

Tensor integers(std::initializer_list<double> values) {
  return from_values(values, {static_cast<int64_t>(values.size())}, {DType::Int64});
}

// Segments of 3, 1, 4 and 2 rows; 4 slots a segment.
Tensor example_offsets() {
  return integers({0, 3, 4, 8, 10});
}

Tensor segment_reference(const Tensors& x) {
  const auto rows = x[0].to_vector();
  const auto floor = x.size() > 1 ? x[1].to_vector() : std::vector<double>();
  const auto offsets = example_offsets().to_vector();
  std::vector<double> result;
  for (size_t s = 0; s < 4; ++s)
    for (size_t c = 0; c < 5; ++c) {
      double best = -1e9;
      for (auto r = static_cast<size_t>(offsets[s]); r < static_cast<size_t>(offsets[s + 1]); ++r)
        best = std::max(best, rows[r * 5 + c]);
      if (!floor.empty() && offsets[s + 1] - offsets[s] < 4) best = std::max(best, floor[c]);
      result.push_back(best);
    }
  return from_values(result, {4, 5}, {DType::Float64});
}

}  // namespace

std::vector<OpCase> segment_max_cases() {
  return {
      {.op = "segment_max",
       .variant = "floor",
       .inputs = {{{10, 5}}, {{5}, 0, 1}},
       .function = [](const Tensors& x) { return segment_max(x[0], example_offsets(), x[1], 4); },
       .reference = segment_reference,
       .errors = {{[] {
                     segment_max(zeros({9, 5}), example_offsets());
                   },
                   "segment_max: the offsets run from 0 to 10 for 9 rows"},
                  {[] {
                     segment_max(zeros({2, 5}), integers({0, 2, 2}));
                   },
                   "segment_max: segment 1 is rows 2 to 2"},
                  {[] {
                     segment_max(zeros({2, 5}), integers({0, 2}), zeros({4}), 4);
                   },
                   "segment_max: the floor is float32 [4] on cpu, expected float32 [5]"}}},
      {.op = "segment_max",
       .variant = "plain",
       .inputs = {{{10, 5}}},
       .function = [](const Tensors& x) { return segment_max(x[0], example_offsets()); },
       .reference = segment_reference,
       .empty = {{10, 0}}},
  };
}

}  // namespace bevgrad::testing
