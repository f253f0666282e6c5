#include "runtime/poison.h"

#include <algorithm>

namespace bevgrad::emulation {
namespace {

constexpr uint32_t kWord = static_cast<uint32_t>(kPoison);

uint8_t poison_byte(uintptr_t address) {
  return static_cast<uint8_t>(kPoison >> (address % 2 * 8));
}

}  // namespace

void poison(uintptr_t begin, uintptr_t end) {
  std::fill(reinterpret_cast<uint16_t*>(begin), reinterpret_cast<uint16_t*>(end), static_cast<uint16_t>(kPoison));
}

bool all_poison(uintptr_t begin, uintptr_t end) {
  for (; begin < end && begin % 8 != 0; ++begin) {
    if (*reinterpret_cast<const uint8_t*>(begin) != poison_byte(begin)) return false;
  }
  for (; begin + 8 <= end; begin += 8) {
    if (*reinterpret_cast<const uint64_t*>(begin) != kPoison) return false;
  }
  for (; begin < end; ++begin) {
    if (*reinterpret_cast<const uint8_t*>(begin) != poison_byte(begin)) return false;
  }
  return true;
}

uintptr_t find_poison(uintptr_t begin, uintptr_t end) {
  if (end - begin < 4) return end - begin == 2 && all_poison(begin, end) ? begin : 0;
  const auto* first = reinterpret_cast<const uint32_t*>((begin + 3) / 4 * 4);
  const auto* last = reinterpret_cast<const uint32_t*>(end / 4 * 4);
  while (first < last) {
    // A block at a time, without a branch inside, so that it becomes vector code.
    const auto* stop = first + std::min<ptrdiff_t>(last - first, 1024);
    unsigned found = 0;
    for (const auto* word = first; word < stop; ++word) found |= static_cast<unsigned>(*word == kWord);
    if (found) return reinterpret_cast<uintptr_t>(std::find(first, stop, kWord));
    first = stop;
  }
  return 0;
}

}  // namespace bevgrad::emulation
