#include "tensor/allocator.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <map>
#include <mutex>
#include <vector>

#include "tensor/error.h"

#ifdef BEVGRAD_CUDA
#include "cuda/memory.h"
#endif

namespace bevgrad {
namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kHugeThreshold = size_t{4} << 20;
// What is in use and what is cached together stay below the highest use so far and this much: a loop finds its blocks
// again, and resident memory does not grow past what was needed at once.
constexpr size_t kSlack = size_t{256} << 20;
// A round ends when this many times the highest use has been handed out, which is several turns of any loop. Blocks
// that lay idle for a whole round go back to the system: sizes that follow the data (points, detections) would else
// leave blocks behind for every size that ever was.
constexpr uint64_t kRound = 256;

// Bins are at most 1/8 larger than what was asked for.
size_t bin_size(size_t bytes) {
  if (bytes <= 512) return std::max(kAlignment, (bytes + kAlignment - 1) / kAlignment * kAlignment);
  const size_t step = std::bit_floor(bytes) / 8;
  return (bytes + step - 1) / step * step;
}

class HostCache {
 public:
  void* take(size_t bin) {
    {
      std::lock_guard lock(mutex_);
      if (auto it = bins_.find(bin); it != bins_.end() && !it->second.blocks.empty()) {
        void* block = it->second.blocks.back();
        it->second.blocks.pop_back();
        it->second.idle = std::min(it->second.idle, it->second.blocks.size());
        stats_.cached -= bin;
        count(bin);
        return block;
      }
      trim(bin);
    }
    void* block = acquire(bin);
    if (!block) {
      flush();
      block = acquire(bin);
    }
    std::lock_guard lock(mutex_);
    if (!block) fail("out of memory on cpu: could not allocate {} bytes, {} bytes are in use", bin, stats_.in_use);
    count(bin);
    return block;
  }

  void give(void* block, size_t bin) {
    std::lock_guard lock(mutex_);
    stats_.in_use -= bin;
    bins_[bin].blocks.push_back(block);
    stats_.cached += bin;
    trim(0);
    if (handed_out_ / kRound >= std::max<size_t>(stats_.peak, 1)) end_round();
  }

  void flush() {
    std::lock_guard lock(mutex_);
    while (stats_.cached > 0) release_largest();
  }

  MemoryStats stats() {
    std::lock_guard lock(mutex_);
    return stats_;
  }
  void reset_peak() {
    std::lock_guard lock(mutex_);
    stats_.peak = stats_.in_use;
  }

 private:
  struct Bin {
    std::vector<void*> blocks;  // the one given back last is taken first
    size_t idle = 0;            // at the front: not taken since the round began
  };

  static void* acquire(size_t bin) {
    if (bin < kHugeThreshold) return std::aligned_alloc(kAlignment, bin);
    void* block = mmap(nullptr, bin, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED) return nullptr;
    madvise(block, bin, MADV_HUGEPAGE);
    return block;
  }
  static void release(void* block, size_t bin) {
    if (bin < kHugeThreshold) {
      std::free(block);
    } else {
      munmap(block, bin);
    }
  }
  void release_largest() {
    auto it = std::prev(bins_.end());
    while (it->second.blocks.empty()) {
      bins_.erase(it);
      it = std::prev(bins_.end());
    }
    release(it->second.blocks.back(), it->first);
    it->second.blocks.pop_back();
    it->second.idle = std::min(it->second.idle, it->second.blocks.size());
    stats_.cached -= it->first;
  }
  void end_round() {
    handed_out_ = 0;
    for (auto& [bytes, bin] : bins_) {
      for (size_t i = 0; i < bin.idle; ++i) release(bin.blocks[i], bytes);
      bin.blocks.erase(bin.blocks.begin(), bin.blocks.begin() + static_cast<std::ptrdiff_t>(bin.idle));
      stats_.cached -= bin.idle * bytes;
      bin.idle = bin.blocks.size();
    }
  }
  // Makes room for `incoming` bytes from the system.
  void trim(size_t incoming) {
    while (stats_.cached > 0 && stats_.in_use + stats_.cached + incoming > stats_.peak + kSlack) release_largest();
  }
  void count(size_t bin) {
    handed_out_ += bin;
    stats_.in_use += bin;
    stats_.peak = std::max(stats_.peak, stats_.in_use);
  }

  std::mutex mutex_;
  std::map<size_t, Bin> bins_;
  uint64_t handed_out_ = 0;  // bytes in this round
  MemoryStats stats_;
};

// Never destroyed: tensors in static storage may outlive any order of destruction.
HostCache& host_cache() {
  static HostCache& cache = *new HostCache;
  return cache;
}

}  // namespace

std::shared_ptr<void> allocate(size_t bytes, Device device) {
  if (bytes == 0) return {};
  check(bytes < (size_t{1} << 47), "out of memory on {}: {} bytes were asked for, {} bytes are in use",
        to_string(device), bytes, memory_stats(device).in_use);
  if (!device.is_cpu()) {
#ifdef BEVGRAD_CUDA
    return cuda::allocate(bytes, device.index);
#else
    fail("allocate: {}", cuda_problem());
#endif
  }
  const size_t bin = bin_size(bytes);
  void* block = host_cache().take(bin);
  return {block, [bin](void* p) { host_cache().give(p, bin); }};
}

std::shared_ptr<void> allocate_pinned(size_t bytes) {
#ifdef BEVGRAD_CUDA
  if (bytes > 0 && cuda_device_count() > 0) return cuda::allocate_pinned(bytes);
#endif
  return allocate(bytes, {});
}

#ifdef BEVGRAD_CUDA

MemoryStats memory_stats(Device device) {
  return device.is_cpu() ? host_cache().stats() : cuda::memory_stats(device.index);
}
void reset_peak_memory(Device device) {
  device.is_cpu() ? host_cache().reset_peak() : cuda::reset_peak_memory(device.index);
}
void empty_cache(Device device) {
  device.is_cpu() ? host_cache().flush() : cuda::empty_cache(device.index);
}

#else

MemoryStats memory_stats(Device) {
  return host_cache().stats();
}
void reset_peak_memory(Device) {
  host_cache().reset_peak();
}
void empty_cache(Device) {
  host_cache().flush();
}

#endif

}  // namespace bevgrad
