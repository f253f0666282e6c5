// What every module should do, tried on one: the test that a new layer can have in one line.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "nn/gradcheck.h"

namespace bevgrad {

struct CheckModuleOptions {
  /// gradcheck of inputs and parameters in float64, in evaluation and in training.
  bool gradients = true;
  /// Under autocast to bfloat16 the output differs by at most this part of its largest value; negative: not tried.
  double autocast_tolerance = 0.05;
  /// Another device's output differs by at most this part of the largest value.
  double device_tolerance = 1e-4;
  GradcheckOptions gradcheck = {};
};

/// Tries, with float32 `inputs` on the CPU:
/// - the same call gives the same bits, in evaluation and with any number of threads;
/// - state_dict(): other values change the output, the old ones bring it back;
/// - evaluation leaves buffers alone; freezing (Module::set_frozen) gives the output of evaluation, gradients to the
///   inputs and none to parameters;
/// - every parameter and floating-point input gets a gradient of its own sizes, as gradcheck has it;
/// - recomputing it (autograd/checkpoint.h) gives the same output, gradients and buffers;
/// - autocast: a finite output near the float32 one, float32 gradients;
/// - every other device of this build gives the same output up to rounding.
/// The module is left as it was. Returns "" or what is wrong, beginning with `name`.
std::string check_module(const std::string& name, Module& module,
                         const std::function<Tensor(const std::vector<Tensor>&)>& forward,
                         const std::vector<Tensor>& inputs, const CheckModuleOptions& options = {});

}  // namespace bevgrad
