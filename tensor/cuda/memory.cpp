#include "cuda/memory.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <mutex>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "internal/cuda_capture.h"
#include "tensor/cuda_stream.h"
#include "tensor/device_counts.h"

namespace bevgrad::cuda {
namespace {

constexpr size_t kAlignment = 256;

size_t rounded(size_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

/// What a block of the cache holds: eight sizes from one power of two to the next.
size_t cached_size(size_t bytes) {
  const size_t step = std::max(kAlignment, std::bit_floor(bytes) / 8);
  return (bytes + step - 1) / step * step;
}

bool caches_at_first() {
  const char* setting = std::getenv("BEVGRAD_DEVICE_CACHE");
#ifdef BEVGRAD_CUDA_EMULATED
  // The emulated device finds uses of freed and of unwritten memory, where it sees the life of every tensor.
  return setting && std::string_view(setting) == "1";
#else
  return !setting || std::string_view(setting) != "0";
#endif
}

std::atomic<bool> caches{caches_at_first()};

// Memory of a device, from the driver's pool. Blocks that are given back are kept and handed out again, without asking
// the driver: all work is queued on one stream in program order, so what still uses a block comes before what will.
class DevicePool {
 public:
  explicit DevicePool(int device) : device_(device) {
    const DeviceGuard guard(device);
    int supported = 0;
    check(cudaDeviceGetAttribute(&supported, cudaDevAttrMemoryPoolsSupported, device), "cudaDeviceGetAttribute");
    bevgrad::check(supported != 0, "cuda:{} has no memory pools, which this backend needs (an old driver or vGPU)",
                   device);
    check(cudaDeviceGetDefaultMemPool(&pool_, device), "cudaDeviceGetDefaultMemPool");
    uint64_t keep_everything = UINT64_MAX;
    check(cudaMemPoolSetAttribute(pool_, cudaMemPoolAttrReleaseThreshold, &keep_everything), "cudaMemPoolSetAttribute");
  }

  struct Block {
    void* memory;
    size_t bytes;  // as the driver gave them
    size_t wanted;
    bool recorded;  // part of a graph, which takes and gives it back itself
  };

  Block take(size_t bytes) {
    const DeviceGuard guard(device_);
    Block block{nullptr, bytes, bytes, is_recording(device_)};
    if (!block.recorded && caches) {
      block.bytes = cached_size(bytes);
      block.memory = take_kept(block.bytes);
    }
    if (!block.memory) block.memory = ask_driver(block);
    std::lock_guard lock(mutex_);
    stats_.in_use += bytes;
    stats_.peak = std::max(stats_.peak, stats_.in_use);
    return block;
  }

  void give(const Block& block) {
    {
      std::lock_guard lock(mutex_);
      stats_.in_use -= block.wanted;
      if (!block.recorded && caches) {
        kept_[block.bytes].push_back(block.memory);
        return;
      }
    }
    // Called from destructors, at the end of the process too, when the runtime may be gone.
    try {
      const DeviceGuard guard(device_);
      // A recording gives back what it took itself, and nothing else: it would do so in every replay.
      free(block.memory, block.recorded ? compute_stream(device_) : stream_beside_recording(device_));
    } catch (const Error&) {
    }
  }

  void trim() {
    const DeviceGuard guard(device_);
    {
      std::lock_guard lock(mutex_);
      for (const auto& [bytes, blocks] : kept_)
        for (void* block : blocks) free(block, compute_stream(device_));
      kept_.clear();
    }
    check(cudaStreamSynchronize(compute_stream(device_)), "cudaStreamSynchronize");
    check(cudaMemPoolTrimTo(pool_, 0), "cudaMemPoolTrimTo");
    check(cudaDeviceGraphMemTrim(device_), "cudaDeviceGraphMemTrim");
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
  void* take_kept(size_t bytes) {
    std::lock_guard lock(mutex_);
    const auto found = kept_.find(bytes);
    if (found == kept_.end() || found->second.empty()) return nullptr;
    void* block = found->second.back();
    found->second.pop_back();
    return block;
  }

  cudaError_t allocate(void** block, size_t bytes) {
    count(DeviceWork::DriverAllocation);
    return cudaMallocAsync(block, bytes, compute_stream(device_));
  }

  void free(void* block, cudaStream_t stream) {
    count(DeviceWork::DriverAllocation);
    static_cast<void>(cudaFreeAsync(block, stream));
  }

  void* ask_driver(const Block& block) {
    void* memory = nullptr;
    cudaError_t status = allocate(&memory, block.bytes);
    if (status == cudaErrorMemoryAllocation && !block.recorded) {
      // What is kept, and what is queued, may give memory back.
      static_cast<void>(cudaGetLastError());
      trim();
      status = allocate(&memory, block.bytes);
    }
    if (status == cudaErrorMemoryAllocation) fail_full(block.wanted);
    check(status, "cudaMallocAsync");
    return memory;
  }

  [[noreturn]] void fail_full(size_t wanted) {
    static_cast<void>(cudaGetLastError());
    size_t free_bytes = 0, total = 0;
    check(cudaMemGetInfo(&free_bytes, &total), "cudaMemGetInfo");
    const size_t used = total - free_bytes;
    std::lock_guard lock(mutex_);
    fail(
        "out of memory on cuda:{}: could not allocate {} bytes, {} bytes are in use by this process's tensors; "
        "{} of the device's {} bytes are taken in all (by CUDA graphs, libraries and other processes too): a smaller "
        "batch needs less (train.batch_size, --batch)",
        device_, wanted, stats_.in_use, used, total);
  }

  int device_;
  cudaMemPool_t pool_ = nullptr;
  std::mutex mutex_;
  std::map<size_t, std::vector<void*>> kept_;
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
    count(DeviceWork::DriverAllocation);
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
  const auto amount = static_cast<int64_t>(bytes);
  if (kind == cudaMemcpyHostToDevice) {
    count(DeviceWork::CopyToDevice);
    count(DeviceWork::BytesToDevice, amount);
  } else if (kind == cudaMemcpyDeviceToHost) {
    count(DeviceWork::CopyToHost);
    count(DeviceWork::BytesToHost, amount);
  } else {
    count(DeviceWork::CopyOnDevice);
  }
  check(cudaMemcpyAsync(to, from, bytes, kind, compute_stream(device)), "cudaMemcpyAsync");
}

}  // namespace

std::shared_ptr<void> allocate(size_t bytes, int device) {
  DevicePool& from = pool(device);
  const DevicePool::Block block = from.take(rounded(bytes));
  return {block.memory, [&from, block](void*) { from.give(block); }};
}

std::shared_ptr<void> allocate_pinned(size_t bytes) {
  const size_t size = rounded(bytes);
  return {pinned_cache().take(size), [size](void* block) { pinned_cache().give(block, size); }};
}

void set_caching(bool on) {
  caches = on;
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
  count(DeviceWork::Fill);
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
