#include "tensor/allocator.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <map>
#include <mutex>
#include <vector>

#include "base/error.h"
#include "internal/free_ranges.h"
#include "tensor/cache_slack.h"

#ifdef BEVGRAD_CUDA
#include "cuda/memory.h"
#endif

namespace bevgrad {
namespace {

constexpr size_t kAlignment = 64;
// Blocks of at least this size are parts of large ranges and are returned to them; smaller ones come from bins.
constexpr size_t kLarge = size_t{4} << 20;
constexpr size_t kLargeStep = size_t{64} << 10;
// An epoch ends when this many times the peak use has been allocated, which is several iterations of any loop. Blocks
// and large ranges that were unused for a whole epoch are returned to the operating system: otherwise sizes that depend
// on the data (points, detections) would each leave a block behind for ever.
constexpr uint64_t kEpoch = 256;

// At most 1/8 more than what was asked for.
size_t block_size(size_t bytes) {
  if (bytes >= kLarge) return (bytes + kLargeStep - 1) / kLargeStep * kLargeStep;
  if (bytes <= 512) return std::max(kAlignment, (bytes + kAlignment - 1) / kAlignment * kAlignment);
  const size_t step = std::bit_floor(bytes) / 8;
  return (bytes + step - 1) / step * step;
}

class HostCache {
 public:
  void* take(size_t bytes) {
    {
      std::lock_guard lock(mutex_);
      if (void* block = take_cached(bytes)) {
        stats_.cached -= bytes;
        count(bytes);
        return block;
      }
      trim(bytes);
    }
    void* block = acquire(bytes);
    if (!block) {
      flush();
      block = acquire(bytes);
    }
    std::lock_guard lock(mutex_);
    if (!block) fail("out of memory on cpu: could not allocate {} bytes, {} bytes are in use", bytes, stats_.in_use);
    count(bytes);
    return block;
  }

  void give(void* block, size_t bytes) {
    std::lock_guard lock(mutex_);
    stats_.in_use -= bytes;
    if (bytes < kLarge)
      bins_[bytes].blocks.push_back(block);
    else
      ranges_.give({static_cast<std::byte*>(block), bytes});
    stats_.cached += bytes;
    trim(0);
    if (handed_out_ / kEpoch >= std::max<size_t>(stats_.peak, 1)) end_round();
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
    size_t idle = 0;            // at the front: not taken since the epoch began
  };

  static void* acquire(size_t bytes) {
    if (bytes < kLarge) return std::aligned_alloc(kAlignment, bytes);
    void* block = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED) return nullptr;
    madvise(block, bytes, MADV_HUGEPAGE);
    return block;
  }
  void* take_cached(size_t bytes) {
    if (bytes >= kLarge) return ranges_.take(bytes);
    const auto it = bins_.find(bytes);
    if (it == bins_.end() || it->second.blocks.empty()) return nullptr;
    void* block = it->second.blocks.back();
    it->second.blocks.pop_back();
    it->second.idle = std::min(it->second.idle, it->second.blocks.size());
    return block;
  }
  void release(AddressRange range) {
    munmap(range.begin, range.bytes);
    stats_.cached -= range.bytes;
  }
  void release_largest() {
    if (const auto range = ranges_.take_largest()) return release(*range);
    auto it = std::prev(bins_.end());
    while (it->second.blocks.empty()) {
      bins_.erase(it);
      it = std::prev(bins_.end());
    }
    std::free(take_cached(it->first));
    stats_.cached -= it->first;
  }
  void end_round() {
    handed_out_ = 0;
    for (const AddressRange& range : ranges_.take_idle()) release(range);
    for (auto& [bytes, bin] : bins_) {
      for (size_t i = 0; i < bin.idle; ++i) std::free(bin.blocks[i]);
      bin.blocks.erase(bin.blocks.begin(), bin.blocks.begin() + static_cast<std::ptrdiff_t>(bin.idle));
      stats_.cached -= bin.idle * bytes;
      bin.idle = bin.blocks.size();
    }
  }
  // Makes room for `incoming` bytes from the system.
  void trim(size_t incoming) {
    while (stats_.cached > 0 && stats_.in_use + stats_.cached + incoming > stats_.peak + kCacheSlack) release_largest();
  }
  void count(size_t bytes) {
    handed_out_ += bytes;
    stats_.in_use += bytes;
    stats_.peak = std::max(stats_.peak, stats_.in_use);
  }

  std::mutex mutex_;
  std::map<size_t, Bin> bins_;
  FreeRanges ranges_;
  uint64_t handed_out_ = 0;  // bytes in this epoch
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
  if (bytes >= size_t{1} << 47)
    fail("out of memory on {}: {} bytes were asked for, {} bytes are in use", to_string(device), bytes,
         memory_stats(device).in_use);
  if (!device.is_cpu()) {
#ifdef BEVGRAD_CUDA
    return cuda::allocate(bytes, device.index);
#else
    fail("allocate: {}", cuda_problem());
#endif
  }
  const size_t size = block_size(bytes);
  void* block = host_cache().take(size);
  return {block, [size](void* p) { host_cache().give(p, size); }};
}

std::shared_ptr<void> allocate_pinned(size_t bytes) {
#ifdef BEVGRAD_CUDA
  if (bytes > 0 && cuda_device_count() > 0) return cuda::allocate_pinned(bytes);
#endif
  return allocate(bytes, {});
}

#ifdef BEVGRAD_CUDA

void set_device_caching(bool on) {
  cuda::set_caching(on);
}
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

void set_device_caching(bool) {}
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
