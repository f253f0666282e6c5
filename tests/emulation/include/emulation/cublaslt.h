// What tests turn on the stand-in for cuBLASLt.
#pragma once

namespace bevgrad::emulation {

/// What the stand-in pretends not to have. BEVGRAD_EMULATED_CUBLASLT=unfused or =none sets it at the start.
enum class CublasltSupport {
  all,
  unfused,  // no epilogue
  none,     // no algorithm for anything
};
void set_cublaslt_support(CublasltSupport support);

}  // namespace bevgrad::emulation
