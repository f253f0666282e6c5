// Gradients against central differences: the test that every backward rule, layer and loss can have.
#pragma once
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "autograd/autograd.h"

namespace bevgrad {

struct GradcheckOptions {
  /// Of the central difference; 0: 1e-5 for float64, 1/64 for float32.
  double step = 0;
  /// What a gradient may differ by: absolute + relative * |numeric| + what rounding the function's values can do to a
  /// difference quotient. 0: 1e-7 and 1e-5 for float64, 2e-3 and 1e-2 for float32.
  double absolute_tolerance = 0;
  double relative_tolerance = 0;
  uint64_t seed = 1;          ///< of the projection
  int64_t most_elements = 0;  ///< checked of each tensor, spread over it; 0: all
  /// Leaves that are checked whether or not a record mentions them (a module's parameters), with what messages call
  /// them; other leaves that the function captures are found by themselves and called "captured 0", ...
  std::vector<std::pair<std::string, Tensor>> names = {};
};

/// Compares the backward pass of `function` with central differences of v . y, for a random direction v of its output,
/// at every element of every input that requires a gradient (of every floating-point one where none does) and of every
/// leaf that the function captures, and that each has the same gradient where no other is wanted. The output and what
/// is checked are all float64 or all float32, on any device, of any layout; inputs of other dtypes are passed through
/// untouched. float32 finds a wrong rule, not a wrong digit. Checked leaves are written to and restored; gradients that
/// captured ones hold are put aside and come back.
///
/// Returns "" where all agree. Else a message that begins with `op` and says which input or captured leaf, which
/// element, both values, how many are off and by how much at most; that a leaf which the function uses got no gradient
/// (a record leaves it out); that the function gives other values when it is
/// called again with the same inputs; or that it is not differentiable there (slopes from both sides differ).
std::string gradcheck(const std::string& op, const std::function<Tensor(const std::vector<Tensor>&)>& function,
                      const std::vector<Tensor>& inputs, const GradcheckOptions& options = {});

/// The same of the gradients themselves: those that autograd::grad gives with create_graph are those without it, and
/// their own gradients with respect to inputs, captured leaves and the output's gradient agree with central
/// differences. Throws Error where an operation has no double backward (autograd/double_backward.h).
std::string gradgradcheck(const std::string& op, const std::function<Tensor(const std::vector<Tensor>&)>& function,
                          const std::vector<Tensor>& inputs, const GradcheckOptions& options = {});

}  // namespace bevgrad
