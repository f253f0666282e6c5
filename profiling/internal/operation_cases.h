// The table behind `bench ops`: differentiable operations at sizes of a user's hot loop.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "tensor/tensor.h"

namespace bevgrad {

/// A tensor that a case is run on: floating-point values between 0.1 and 1, integers from 0 to below `below`.
struct OperationInput {
  Shape sizes;
  DType dtype = DType::Float32;
  bool channels_last = false;
  int64_t below = 2;

  /// "float32 [2,128,56,104] channels-last", "int64 [4096] below 1000": bench/peer/ops.py makes the same of it.
  std::string text() const;
};

struct OperationCase {
  std::string name;
  std::vector<OperationInput> inputs;
  std::function<Tensor(const std::vector<Tensor>&)> run;
  bool has_gradient = true;
};

std::vector<OperationCase> operation_cases();

}  // namespace bevgrad
