// The caching allocator: freed blocks are handed out again, small ones from bins of near-equal size, large ones cut
// from ranges that join when their parts are free.
#pragma once
#include <cstddef>
#include <memory>

#include "tensor/device.h"

namespace bevgrad {

struct MemoryStats {
  size_t in_use = 0;  // bytes handed out now
  size_t peak = 0;    // highest in_use since the start or the last reset_peak_memory()
  size_t cached = 0;  // bytes kept for reuse
};

/// A block of at least `bytes` bytes, aligned to 64, uninitialised. On failure the cache is flushed and the
/// allocation retried once; then it throws Error with the size, the device and the bytes in use.
/// The block returns to the cache when the last owner lets go. Thread-safe.
std::shared_ptr<void> allocate(size_t bytes, Device device);
/// Host memory that a CUDA device copies from while the host goes on (page-locked); plain host memory where there is no
/// device. Whoever copies from it keeps it as it is until the copy is done.
std::shared_ptr<void> allocate_pinned(size_t bytes);

/// Whether blocks of GPUs that are given back are kept and handed out again without asking the driver. On, unless the
/// environment has BEVGRAD_DEVICE_CACHE=0: a tool that watches memory (compute-sanitizer) sees more without.
void set_device_caching(bool on);

MemoryStats memory_stats(Device device = {});
void reset_peak_memory(Device device = {});
/// Gives cached blocks back to the system.
void empty_cache(Device device = {});

}  // namespace bevgrad
