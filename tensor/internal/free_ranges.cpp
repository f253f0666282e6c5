#include "internal/free_ranges.h"

namespace bevgrad {

std::byte* FreeRanges::take(size_t bytes) {
  const auto fit = by_size_.lower_bound({bytes, nullptr});
  if (fit == by_size_.end()) return nullptr;
  const auto range = ranges_.find(fit->second);
  const bool idle = range->second.idle;
  const auto [begin, size] = erase(range);
  if (size > bytes) insert({begin + bytes, size - bytes}, idle);
  return begin;
}

void FreeRanges::give(AddressRange range) {
  auto next = ranges_.lower_bound(range.begin);
  if (next != ranges_.end() && next->first == range.begin + range.bytes) {
    const auto after = next++;
    range.bytes += erase(after).bytes;
  }
  if (next != ranges_.begin()) {
    const auto before = std::prev(next);
    if (before->first + before->second.bytes == range.begin) {
      const AddressRange joined = erase(before);
      range = {joined.begin, joined.bytes + range.bytes};
    }
  }
  insert(range, false);
}

std::optional<AddressRange> FreeRanges::take_largest() {
  if (by_size_.empty()) return {};
  return erase(ranges_.find(by_size_.rbegin()->second));
}

std::vector<AddressRange> FreeRanges::take_idle() {
  std::vector<AddressRange> idle;
  for (auto range = ranges_.begin(); range != ranges_.end();) {
    const auto current = range++;
    if (current->second.idle)
      idle.push_back(erase(current));
    else
      current->second.idle = true;
  }
  return idle;
}

void FreeRanges::insert(AddressRange range, bool idle) {
  ranges_.emplace(range.begin, State{range.bytes, idle});
  by_size_.emplace(range.bytes, range.begin);
}

AddressRange FreeRanges::erase(Ranges::iterator range) {
  const AddressRange erased{range->first, range->second.bytes};
  by_size_.erase({erased.bytes, erased.begin});
  ranges_.erase(range);
  return erased;
}

}  // namespace bevgrad
