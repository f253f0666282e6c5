// The engines that the stand-in offers. They are made so that a choice which skips a rule is seen: the first ones that
// the heuristics name are the ones that a careful caller must not take.
#pragma once
#include "emulation/cudnn.h"
#include "pattern.h"

namespace bevgrad::emulation::cudnn {

enum Engine : int {
  kNondeterministic,  // other last bits in every run
  kHuge,              // wants 3 GiB of workspace
  kElsewhere,         // cannot be built for this device
  kDownConvert,       // float32 by way of bfloat16
  kTensorCore,        // channels in multiples of 8, 16-byte alignment; float32 by way of TF32; a workspace
  kFused,             // a convolution with a shift, or alone, in plain arithmetic; a workspace
  kFallback,          // a convolution alone, in plain arithmetic
  kEngines
};

std::vector<cudnnBackendNumericalNote_t> notes(int engine);
/// Bytes.
int64_t workspace(int engine, const Pattern& pattern);

/// What heuristics name for a graph, in their order.
std::vector<int> candidates(const Pattern& pattern, cudnnBackendHeurMode_t mode);

/// Throws Refusal where the graph, or this engine on it, is not supported.
void check_graph_support(const Pattern& pattern);
void check_engine_support(int engine, const Pattern& pattern);

}  // namespace bevgrad::emulation::cudnn
