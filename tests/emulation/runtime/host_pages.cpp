#include "runtime/host_pages.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

namespace bevgrad::emulation {
namespace {

// Where Linux maps programs, heaps and stacks of 64-bit processes. What lies below (as the shadow memory of sanitizers)
// could be meant by a plain number.
constexpr uintptr_t kLowest = 0x500000000000;
constexpr uintptr_t kHighest = 0x800000000000;

struct Range {
  uintptr_t begin = 0;
  uintptr_t end = 0;
};

std::vector<Range> read_ranges() {
  std::vector<Range> ranges;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    Range range;
    char readable = '-';
    if (std::sscanf(line.c_str(), "%lx-%lx %c", &range.begin, &range.end, &readable) == 3 && readable == 'r') {
      ranges.push_back(range);
    }
  }
  return ranges;  // in rising order
}

bool contains(const std::vector<Range>& ranges, uintptr_t address) {
  auto after = std::ranges::upper_bound(ranges, address, {}, &Range::begin);
  return after != ranges.begin() && address < std::prev(after)->end;
}

}  // namespace

bool is_host_memory(uintptr_t address) {
  if (address < kLowest || address >= kHighest) return false;
  static auto& known = *new std::vector<Range>;  // under the runtime's lock
  if (contains(known, address)) return true;
  known = read_ranges();
  return contains(known, address);
}

}  // namespace bevgrad::emulation
