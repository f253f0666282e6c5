// Gradients against central differences in float64.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "autograd/autograd.h"

namespace bevgrad {

struct GradcheckOptions {
  double step = 1e-5;                ///< of the central difference
  double absolute_tolerance = 1e-7;  ///< on top of the relative one
  double relative_tolerance = 1e-5;
  uint64_t seed = 1;          ///< of the projection
  int64_t most_elements = 0;  ///< checked of each input, spread over it; 0: all
};

/// Compares the backward rule of `function` with central differences of v . y, for a random direction v of the output,
/// at every element of every input that requires a gradient (all where none does). Inputs are float64, of any layout;
/// other dtypes are passed through untouched. They must be away from kinks (0 for relu, equal values for max): that is
/// the caller's business.
/// Returns "" where all agree, else a message that names `op`, the input, the element, and both values.
std::string gradcheck(const std::string& op, const std::function<Tensor(const std::vector<Tensor>&)>& function,
                      const std::vector<Tensor>& inputs, const GradcheckOptions& options = {});

}  // namespace bevgrad
