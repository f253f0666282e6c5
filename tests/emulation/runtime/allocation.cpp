#include "runtime/allocation.h"

#include <algorithm>

#include "runtime/fault.h"

namespace bevgrad::emulation {

std::string Allocation::describe() const {
  if (device < 0) return fmt::format("{} bytes of page-locked memory", bytes);
  return fmt::format("an allocation of {} bytes on device {}", bytes, device);
}

void check_order(Allocation& allocation, const Use& use, const Clock& before) {
  for (const Use& earlier : allocation.uses) {
    if (earlier.stream == use.stream || !(earlier.write || use.write)) continue;
    if (earlier.end <= use.begin || use.end <= earlier.begin) continue;
    if (before.covers(earlier.stream, earlier.tick)) continue;
    fault(
        "missing synchronisation: {} on stream {} {} byte {} of {}, which {} on stream {} {}; no event and no wait "
        "orders the two",
        readable(use.by), use.stream, use.write ? "writes" : "reads",
        std::max(use.begin, earlier.begin) - allocation.base, allocation.describe(), readable(earlier.by),
        earlier.stream, earlier.write ? "writes" : "reads");
  }
  // What is ordered before this one, and covered by it, can no longer be what a later use misses.
  std::erase_if(allocation.uses, [&](const Use& earlier) {
    return use.begin <= earlier.begin && earlier.end <= use.end && (use.write || !earlier.write) &&
           (earlier.stream == use.stream || (use.write && before.covers(earlier.stream, earlier.tick)));
  });
  constexpr size_t kMost = 256;
  if (allocation.uses.size() >= kMost) allocation.uses.erase(allocation.uses.begin());
  allocation.uses.push_back(use);
}

void check_all_done(const Allocation& allocation, const Clock& before, const std::string& what) {
  for (const Use& use : allocation.uses) {
    if (before.covers(use.stream, use.tick)) continue;
    fault("{} without waiting for {} on stream {}, which uses it", what, readable(use.by), use.stream);
  }
}

}  // namespace bevgrad::emulation
