// What tests turn on, and see of, the stand-in for cuDNN.
#pragma once
#include <cstdint>

namespace bevgrad::emulation {

/// What the stand-in pretends not to have. BEVGRAD_EMULATED_CUDNN=unfused or =none sets it at the start.
enum class CudnnSupport {
  all,      // what the list in tests/emulation/cudnn/engines.cpp says
  unfused,  // no graph of more than one operation
  none,     // no plan for anything
};
void set_cudnn_support(CudnnSupport support);

/// Convolutions that every engine ran; the indices are the engines' in tests/emulation/cudnn/engines.h.
int64_t cudnn_runs(int engine);
/// How often heuristics were asked which engines there are.
int64_t cudnn_questions();

}  // namespace bevgrad::emulation
