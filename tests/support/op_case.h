// One row per differentiable function: from it come the comparison with a reference, the gradient check in float64,
// strided inputs, bfloat16, empty inputs and the error texts (tests/autograd/op_cases_test.cpp runs them all, and
// checks that every function declared in autograd/functions/*.h has a row).
#pragma once
#include <cmath>
#include <functional>
#include <map>
#include <ostream>
#include <set>
#include <string>
#include <vector>

#include "autograd/autograd.h"
#include "tensor/random.h"

namespace bevgrad::testing {

/// How an input of a row is made: float64 values uniform in [low, high), converted to the dtype under test.
struct OpInput {
  Shape sizes;
  double low = -1.0;
  double high = 1.0;
  /// Values closer to 0 than this are pushed away from it (a kink there).
  double gap = 0.0;
};

struct OpError {
  std::function<void()> call;
  /// A part of the message.
  std::string expected;
};

/// On any device, where its inputs are; tables that go with them (offsets, masks) may be on the CPU.
using OpFunction = std::function<Tensor(const std::vector<Tensor>&)>;

struct OpCase {
  /// The function's name as declared.
  std::string op;
  /// Tells rows of one function apart.
  std::string variant = "";
  std::vector<OpInput> inputs = {};
  OpFunction function = nullptr;
  /// The same in the plainest terms, on float64 tensors outside the tape; null where a golden file is the reference.
  OpFunction reference = nullptr;
  /// Input sizes with no elements, to be run once more.
  std::vector<Shape> empty = {};
  std::vector<OpError> errors = {};
  double float64_tolerance = 1e-12;
  double float32_tolerance = 1e-5;
  /// Negative: the function takes no bfloat16.
  double bfloat16_tolerance = 0.03;
};

/// How GoogleTest names a row in a failure.
inline void PrintTo(const OpCase& row, std::ostream* out) {
  *out << row.op << " " << row.variant;
}

/// The inputs of a row, float64 and contiguous.
inline std::vector<Tensor> make_inputs(const OpCase& row, uint64_t seed = 7) {
  Generator generator(seed);
  std::vector<Tensor> inputs;
  for (const OpInput& input : row.inputs) {
    Tensor x = generator.uniform(input.sizes, input.low, input.high, {DType::Float64});
    for (int64_t i = 0; i < x.numel(); ++i) {
      double& value = x.data<double>()[i];
      if (std::abs(value) < input.gap) value += value < 0 ? -input.gap : input.gap;
    }
    inputs.push_back(x);
  }
  return inputs;
}

/// The same values with the dimensions in reverse order in memory.
inline Tensor transposed_copy(const Tensor& x) {
  std::vector<int> reverse;
  for (int d = x.dim(); d-- > 0;) reverse.push_back(d);
  return ops::permute(ops::contiguous(ops::permute(x, reverse)), reverse);
}

/// The same values as a slice of something larger, so that no dimension is dense.
inline Tensor sliced_copy(const Tensor& x) {
  Shape sizes = x.sizes();
  for (int64_t& size : sizes) size += 2;
  Tensor slice = full(sizes, 777.0, {x.dtype(), {}, x.device()});
  for (int d = 0; d < x.dim(); ++d) slice = ops::narrow(slice, d, 1, x.size(d));
  ops::copy_(slice, x);
  return slice;
}

/// A reference from a function of the elements, with NumPy's broadcasting spelt out.
inline OpFunction elementwise(std::function<double(const std::vector<double>&)> f) {
  return [f](const std::vector<Tensor>& inputs) {
    Shape sizes = inputs[0].sizes();
    for (const Tensor& x : inputs) sizes = broadcast_shapes("reference", sizes, x.sizes());
    std::vector<std::vector<double>> values;
    for (const Tensor& x : inputs) values.push_back(x.to_vector());
    std::vector<double> result(static_cast<size_t>(numel(sizes)));
    for (size_t i = 0; i < result.size(); ++i) {
      std::vector<double> arguments;
      for (size_t k = 0; k < inputs.size(); ++k) {
        int64_t rest = static_cast<int64_t>(i), index = 0, step = 1;
        for (int d = static_cast<int>(sizes.size()) - 1, e = inputs[k].dim() - 1; e >= 0; --d, --e) {
          const int64_t position = rest % sizes[d];
          rest /= sizes[d];
          if (inputs[k].size(e) != 1) index += position * step;
          step *= inputs[k].size(e);
        }
        arguments.push_back(values[k][index]);
      }
      result[i] = f(arguments);
    }
    return from_values(result, sizes, {DType::Float64});
  };
}

/// All rows of one room. A test program that links op_cases_test.cpp defines it.
struct OpTable {
  std::string headers;  ///< folder whose public functions must each have a row
  std::vector<OpCase> rows;
  /// Functions that have tests of their own, and the file below tests/ that has them.
  std::map<std::string, std::string> elsewhere = {};
  /// Functions that have no double backward (autograd/double_backward.h).
  std::set<std::string> differentiable_once = {};
};
OpTable op_table();

}  // namespace bevgrad::testing
