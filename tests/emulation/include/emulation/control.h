// What tests turn on the emulated device.
#pragma once
#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace bevgrad::emulation {

/// The order in which queued operations run is drawn from this seed from now on (BEVGRAD_EMULATION_SEED at the start).
void reseed(uint64_t seed);
/// The next call of the function of this name, after `successes` good ones, does nothing and returns `error`.
void fail_call(const char* function, cudaError_t error, int successes = 0);
/// Calls so far of the function of this name; "cudnnBackendExecute" and "cublasLtMatmul" are counted as well.
int64_t calls_of(const char* function);
/// Operations that wait in the streams of all devices.
size_t queued_operations();
/// The devices on which this process has made a context, by whatever call.
std::vector<int> devices_with_context();

}  // namespace bevgrad::emulation
