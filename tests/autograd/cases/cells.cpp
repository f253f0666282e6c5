#include "autograd/functions/cells.h"

#include "autograd/op_cases.h"

namespace bevgrad::testing {
namespace {

using Tensors = std::vector<Tensor>;

Tensor integers(std::initializer_list<double> values) {
  return from_values(values, {static_cast<int64_t>(values.size())}, {DType::Int64});
}

}  // namespace

std::vector<OpCase> cells_cases() {
  return {
      {.op = "scatter_cells",
       .inputs = {{{4, 3}}},
       .function =
           [](const Tensors& x) {
             return scatter_cells(x[0], integers({11, 0, 5, 6}), 2, 2, 3);
           },
       .reference =
           [](const Tensors& x) {
             std::vector<double> result(2 * 3 * 6, 0.0);
             const size_t cells[] = {11, 0, 5, 6};
             for (size_t i = 0; i < 4; ++i)
               for (size_t c = 0; c < 3; ++c)
                 result[(cells[i] / 6 * 3 + c) * 6 + cells[i] % 6] = x[0].to_vector()[i * 3 + c];
             return from_values(result, {2, 3, 2, 3}, {DType::Float64});
           },
       .errors = {{[] {
                     scatter_cells(zeros({2, 3}), integers({1, 1}), 1, 2, 3);
                   },
                   "scatter_cells: row 1 goes to cell 1, which is taken"},
                  {[] {
                     scatter_cells(zeros({2, 3}), integers({1, 6}), 1, 2, 3);
                   },
                   "scatter_cells: row 1 goes to cell 6 of 6"},
                  {[] {
                     scatter_cells(zeros({2, 3}), integers({1}), 1, 2, 3);
                   },
                   "scatter_cells: the input is float32 [2,3] on cpu, expected [1, channels]"}}},
      {.op = "gather_cells",
       .inputs = {{{2, 3, 2, 3}}},
       .function =
           [](const Tensors& x) {
             return gather_cells(x[0], integers({7, 2, 7, 11, 0}));
           },
       .reference =
           [](const Tensors& x) {
             std::vector<double> result;
             for (size_t cell : {7, 2, 7, 11, 0})
               for (size_t c = 0; c < 3; ++c) result.push_back(x[0].to_vector()[(cell / 6 * 3 + c) * 6 + cell % 6]);
             return from_values(result, {5, 3}, {DType::Float64});
           },
       .errors = {{[] {
                     gather_cells(zeros({1, 3, 2, 3}), integers({-1}));
                   },
                   "gather_cells: row 0 goes to cell -1 of 6"}}},
  };
}

}  // namespace bevgrad::testing
