// How convolutions were run: for tests, and to see on a device that none takes the slow way unnoticed.
#pragma once
#include <cstdint>

namespace bevgrad::cuda {

struct ConvCounts {
  int64_t fused = 0;   // by cuDNN with what follows in one graph (or nothing follows)
  int64_t apart = 0;   // by cuDNN, what follows in a kernel of its own
  int64_t direct = 0;  // by the plain functors
};

ConvCounts conv_counts();
void reset_conv_counts();

}  // namespace bevgrad::cuda
