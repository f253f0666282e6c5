// Device memory from a cache over the driver's stream-ordered pool, page-locked host memory, and copies between the
// two. Private to tensor/.
#pragma once
#include <cstddef>
#include <memory>

#include "tensor/allocator.h"

namespace bevgrad::cuda {

/// A block that may be let go while work that is queued on the compute stream still uses it: whoever gets it next
/// queues after that.
std::shared_ptr<void> allocate(size_t bytes, int device);
/// Page-locked host memory. Freed blocks are kept and handed out again: locking pages is slow.
std::shared_ptr<void> allocate_pinned(size_t bytes);

void set_caching(bool on);
MemoryStats memory_stats(int device);
void reset_peak_memory(int device);
void empty_cache(int device);

/// Queued on the compute stream.
void set_zero(void* to, size_t bytes, int device);
void copy_on_device(void* to, const void* from, size_t bytes, int device);
/// Queued on the compute stream. Page-locked sources must stay as they are until the stream has passed; others may be
/// written again at once.
void copy_from_host(void* to, const void* from, size_t bytes, int device);
/// Waits for the result.
void copy_to_host(void* to, const void* from, size_t bytes, int device);

}  // namespace bevgrad::cuda
