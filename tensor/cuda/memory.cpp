#include "cuda/memory.h"

#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <vector>

#include "base/error.h"
#include "tensor/cuda_stream.h"

namespace bevgrad::cuda {
namespace {

constexpr size_t kAlignment = 256;

size_t rounded(size_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

// What is handed out of a device's default pool; the pool itself keeps freed blocks.
class DevicePool {
 public:
  explicit DevicePool(int device) : device_(device) {
    const DeviceGuard guard(device);
    check(cudaDeviceGetDefaultMemPool(&pool_, device), "cudaDeviceGetDefaultMemPool");
    uint64_t keep_everything = UINT64_MAX;
    check(cudaMemPoolSetAttribute(pool_, cudaMemPoolAttrReleaseThreshold, &keep_everything), "cudaMemPoolSetAttribute");
  }

  void* take(size_t bytes) {
    const DeviceGuard guard(device_);
    void* block = nullptr;
    cudaError_t status = cudaMallocAsync(&block, bytes, compute_stream(device_));
    if (status == cudaErrorMemoryAllocation) {
      // What is queued may still give memory back.
      static_cast<void>(cudaGetLastError());
      trim();
      status = cudaMallocAsync(&block, bytes, compute_stream(device_));
    }
    std::lock_guard lock(mutex_);
    if (status == cudaErrorMemoryAllocation) {
      static_cast<void>(cudaGetLastError());
      fail("out of memory on cuda:{}: could not allocate {} bytes, {} bytes are in use", device_, bytes, stats_.in_use);
    }
    check(status, "cudaMallocAsync");
    stats_.in_use += bytes;
    stats_.peak = std::max(stats_.peak, stats_.in_use);
    return block;
  }

  void give(void* block, size_t bytes) {
    {
      std::lock_guard lock(mutex_);
      stats_.in_use -= bytes;
    }
    // Called from destructors, at the end of the process too, when the runtime may be gone.
    try {
      const DeviceGuard guard(device_);
      static_cast<void>(cudaFreeAsync(block, compute_stream(device_)));
    } catch (const Error&) {
    }
  }

  void trim() {
    const DeviceGuard guard(device_);
    check(cudaStreamSynchronize(compute_stream(device_)), "cudaStreamSynchronize");
    check(cudaMemPoolTrimTo(pool_, 0), "cudaMemPoolTrimTo");
  }

  MemoryStats stats() {
    const DeviceGuard guard(device_);
    uint64_t reserved = 0;
    check(cudaMemPoolGetAttribute(pool_, cudaMemPoolAttrReservedMemCurrent, &reserved), "cudaMemPoolGetAttribute");
    std::lock_guard lock(mutex_);
    MemoryStats result = stats_;
    result.cached = reserved > result.in_use ? reserved - result.in_use : 0;
    return result;
  }
  void reset_peak() {
    std::lock_guard lock(mutex_);
    stats_.peak = stats_.in_use;
  }

 private:
  int device_;
  cudaMemPool_t pool_ = nullptr;
  std::mutex mutex_;
  MemoryStats stats_;
};

// Pools live as long as the process: tensors in static storage may be let go after any of our objects.
DevicePool& pool(int device) {
  static std::mutex mutex;
  static auto& pools = *new std::map<int, DevicePool>;
  std::lock_guard lock(mutex);
  return pools.try_emplace(device, device).first->second;
}

class PinnedCache {
 public:
  void* take(size_t bytes) {
    {
      std::lock_guard lock(mutex_);
      if (auto& blocks = free_[bytes]; !blocks.empty()) {
        void* block = blocks.back();
        blocks.pop_back();
        return block;
      }
    }
    const DeviceGuard guard(home_device());
    void* block = nullptr;
    check(cudaMallocHost(&block, bytes), "cudaMallocHost");
    return block;
  }
  void give(void* block, size_t bytes) {
    std::lock_guard lock(mutex_);
    free_[bytes].push_back(block);
  }

 private:
  std::mutex mutex_;
  std::map<size_t, std::vector<void*>> free_;
};

PinnedCache& pinned_cache() {
  static PinnedCache& cache = *new PinnedCache;
  return cache;
}

void copy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, int device) {
  if (bytes == 0) return;
  const DeviceGuard guard(device);
  check(cudaMemcpyAsync(to, from, bytes, kind, compute_stream(device)), "cudaMemcpyAsync");
}

}  // namespace

std::shared_ptr<void> allocate(size_t bytes, int device) {
  const size_t size = rounded(bytes);
  DevicePool& from = pool(device);
  return {from.take(size), [&from, size](void* block) { from.give(block, size); }};
}

std::shared_ptr<void> allocate_pinned(size_t bytes) {
  const size_t size = rounded(bytes);
  return {pinned_cache().take(size), [size](void* block) { pinned_cache().give(block, size); }};
}

MemoryStats memory_stats(int device) {
  return pool(device).stats();
}
void reset_peak_memory(int device) {
  pool(device).reset_peak();
}
void empty_cache(int device) {
  pool(device).trim();
}

void set_zero(void* to, size_t bytes, int device) {
  if (bytes == 0) return;
  const DeviceGuard guard(device);
  check(cudaMemsetAsync(to, 0, bytes, compute_stream(device)), "cudaMemsetAsync");
}

void copy_on_device(void* to, const void* from, size_t bytes, int device) {
  copy(to, from, bytes, cudaMemcpyDeviceToDevice, device);
}
void copy_from_host(void* to, const void* from, size_t bytes, int device) {
  copy(to, from, bytes, cudaMemcpyHostToDevice, device);
}
void copy_to_host(void* to, const void* from, size_t bytes, int device) {
  copy(to, from, bytes, cudaMemcpyDeviceToHost, device);
  finish(device);
}

}  // namespace bevgrad::cuda
