// Values of a network's activations that 8 bits stand for.
#pragma once
#include <map>
#include <string>

namespace bevgrad {

/// 0 to `limit` in 255 steps, or -limit to limit in twice 127.
struct ActivationRange {
  double limit = 0;
  bool is_signed = false;
};

/// Of a convolution: what comes in, what a residual is added to (convolution and norm), what goes out (with norm,
/// residual and activation).
struct ConvRanges {
  ActivationRange input, before_sum, output;
};
/// By the convolutions' dotted names.
using ActivationRanges = std::map<std::string, ConvRanges>;

}  // namespace bevgrad
