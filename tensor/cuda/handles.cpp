#include "cuda/handles.h"

#include <map>
#include <mutex>
#include <vector>

#include "base/error.h"
#include "cuda/cudnn_descriptor.h"
#include "tensor/cuda_stream.h"

namespace bevgrad::cuda {
namespace {

struct Bound {
  cudnnHandle_t handle = nullptr;
  cudaStream_t stream = nullptr;
};

// Handles that no thread uses. They are costly to make and may not outlive the driver, so they are kept and never
// destroyed: at exit the order is unknown.
struct Pool {
  std::mutex mutex;
  std::multimap<int, Bound> idle;
  std::map<int, cublasLtHandle_t> cublaslt;
};

Pool& pool() {
  static Pool& instance = *new Pool;
  return instance;
}

// What a thread holds; it goes back to the pool when the thread ends.
struct Held {
  std::map<int, Bound> handles;

  ~Held() {
    std::lock_guard lock(pool().mutex);
    pool().idle.insert(handles.begin(), handles.end());
  }
};

Bound borrow(int device) {
  {
    std::lock_guard lock(pool().mutex);
    if (const auto found = pool().idle.find(device); found != pool().idle.end()) {
      const Bound bound = found->second;
      pool().idle.erase(found);
      return bound;
    }
  }
  Bound bound;
  check(cudnnCreate(&bound.handle), "cudnnCreate");
  return bound;
}

}  // namespace

cudnnHandle_t cudnn_handle(int device) {
  thread_local Held held;
  Bound& bound = held.handles[device];
  if (!bound.handle) bound = borrow(device);
  if (const cudaStream_t stream = compute_stream(device); bound.stream != stream) {
    check(cudnnSetStream(bound.handle, stream), "cudnnSetStream");
    bound.stream = stream;
  }
  return bound.handle;
}

cublasLtHandle_t cublaslt_handle(int device) {
  std::lock_guard lock(pool().mutex);
  cublasLtHandle_t& handle = pool().cublaslt[device];
  if (!handle) {
    const cublasStatus_t status = cublasLtCreate(&handle);
    bevgrad::check(status == CUBLAS_STATUS_SUCCESS, "cublasLtCreate: {}", cublasLtGetStatusString(status));
  }
  return handle;
}

}  // namespace bevgrad::cuda
