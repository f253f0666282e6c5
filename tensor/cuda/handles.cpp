#include "cuda/handles.h"

#include <map>
#include <mutex>
#include <vector>

#include "cuda/cudnn_descriptor.h"
#include "tensor/cuda_stream.h"
#include "tensor/error.h"

namespace bevgrad::cuda {
namespace {

// Handles that no thread uses. They are costly to make and may not outlive the driver, so they are kept and never
// destroyed: at exit the order is unknown.
struct Pool {
  std::mutex mutex;
  std::multimap<int, cudnnHandle_t> idle;
  std::map<int, cublasLtHandle_t> cublaslt;
};

Pool& pool() {
  static Pool& instance = *new Pool;
  return instance;
}

// What a thread holds; it goes back to the pool when the thread ends.
struct Held {
  std::map<int, cudnnHandle_t> handles;

  ~Held() {
    std::lock_guard lock(pool().mutex);
    pool().idle.insert(handles.begin(), handles.end());
  }
};

cudnnHandle_t borrow(int device) {
  {
    std::lock_guard lock(pool().mutex);
    if (const auto found = pool().idle.find(device); found != pool().idle.end()) {
      const cudnnHandle_t handle = found->second;
      pool().idle.erase(found);
      return handle;
    }
  }
  cudnnHandle_t handle = nullptr;
  check(cudnnCreate(&handle), "cudnnCreate");
  check(cudnnSetStream(handle, compute_stream(device)), "cudnnSetStream");
  return handle;
}

}  // namespace

cudnnHandle_t cudnn_handle(int device) {
  thread_local Held held;
  cudnnHandle_t& handle = held.handles[device];
  if (!handle) handle = borrow(device);
  return handle;
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
