// Switches of how vendor libraries may compute. They are process-wide and meant to be set once at the start; plans
// chosen under other settings stay apart.
#pragma once

namespace bevgrad {

/// Only algorithms that give the same bits every time (the default). The CPU has no others.
void set_deterministic(bool on);
bool deterministic();

/// float32 convolutions and matrix products may round their inputs to TF32 (10 bits of mantissa) to run on tensor
/// cores. Off by default; CUDA only.
void set_allow_tf32(bool on);
bool allow_tf32();

}  // namespace bevgrad
