// Handles of the vendor libraries. cuDNN's belongs to one thread at a time and is bound to a stream; cuBLASLt's is
// shared by all threads.
#pragma once
#include <cublasLt.h>
#include <cudnn.h>

#include <string>

namespace bevgrad::cuda {

/// The calling thread's handle for `device`, which must be current, bound to the device's compute stream.
cudnnHandle_t cudnn_handle(int device);
/// The handle for `device`, which must be current when it is first asked for.
cublasLtHandle_t cublaslt_handle(int device);

}  // namespace bevgrad::cuda
