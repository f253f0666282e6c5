// Peak rates of this machine, measured, against which other figures are read.
#pragma once

namespace bevgrad {

struct MachineLimits {
  int threads = 1;
  double float32 = 0;   ///< FLOP/s of fused multiply-adds on all threads
  double bfloat16 = 0;  ///< FLOP/s of bfloat16 dot products; 0 where the processor has none
  double memory = 0;    ///< bytes/s that a scaled copy reads and writes
};

/// The best of `repeats` short runs with OpenMP's number of threads.
MachineLimits measure_machine(int repeats = 5);

}  // namespace bevgrad
