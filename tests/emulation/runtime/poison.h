// The pattern of memory that nothing was written to: two bytes, again and again, that are a NaN in float16, bfloat16,
// float32 and float64, and far out of any range as an integer. Arithmetic on a NaN keeps its bits, so that a float32
// result that was computed from such memory carries the pattern, too.
#pragma once
#include <cstddef>
#include <cstdint>

namespace bevgrad::emulation {

inline constexpr uint64_t kPoison = 0xfffdfffdfffdfffdu;

/// Fills [begin, end); both even.
void poison(uintptr_t begin, uintptr_t end);
/// Whether all of [begin, end) has the pattern.
bool all_poison(uintptr_t begin, uintptr_t end);
/// The first aligned 4 bytes (or the whole range, where it is shorter) of [begin, end) that have the pattern; 0 where
/// there are none. Shorter elements cannot be told from numbers.
uintptr_t find_poison(uintptr_t begin, uintptr_t end);

}  // namespace bevgrad::emulation
