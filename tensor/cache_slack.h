// How much the caching allocator (tensor/allocator.h) keeps beyond what is in use.
#pragma once
#include <cstddef>

namespace bevgrad {

/// On the CPU the bytes in use and those kept for reuse stay below the peak use plus this: a loop finds its blocks
/// again, and resident memory does not grow past the peak.
inline constexpr size_t kCacheSlack = size_t{256} << 20;

}  // namespace bevgrad
