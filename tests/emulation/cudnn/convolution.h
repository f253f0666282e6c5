// The arithmetic of a convolution's three passes in float32.
#pragma once
#include "pattern.h"

namespace bevgrad::emulation::cudnn {

/// `first` and `second` are the inputs of the pass, channels-last; so is the result.
std::vector<float> convolve(const Pattern& pattern, const std::vector<float>& first, const std::vector<float>& second);

}  // namespace bevgrad::emulation::cudnn
