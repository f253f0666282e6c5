#include "runtime/arena.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>

#include "runtime/fault.h"
#include "runtime/poison.h"

namespace bevgrad::emulation {
namespace {

constexpr size_t kGranule = 512;
constexpr size_t kRedZone = 128;
constexpr size_t kPage = size_t{2} << 20;
constexpr size_t kQuarantine = size_t{32} << 20;
// Sizes that are no longer asked for keep no more memory than this.
constexpr size_t kKept = size_t{512} << 20;

size_t round_up(size_t value, size_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

// Near-equal sizes share a capacity, so that their slots are reused: an eighth of a power of two apart.
size_t capacity_for(size_t bytes) {
  const size_t needed = bytes + kRedZone;
  return round_up(needed, std::max(kGranule, std::bit_floor(needed) / 8));
}

}  // namespace

Arena::Arena(size_t span) : span_(round_up(span, kPage)) {
  void* memory = mmap(nullptr, span_ + kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) fault("cannot reserve {} bytes of address space for a device's memory", span_);
  begin_ = round_up(reinterpret_cast<uintptr_t>(memory), kPage);
  used_end_ = begin_;
  madvise(reinterpret_cast<void*>(begin_), span_, MADV_HUGEPAGE);
}

Slot* Arena::take(size_t bytes) {
  const size_t capacity = capacity_for(bytes);
  Slot* slot = nullptr;
  if (auto& fitting = free_[capacity]; !fitting.empty()) {
    slot = fitting.back();
    fitting.pop_back();
    if (slot->has_pages) kept_ -= capacity;
  } else if (capacity <= begin_ + span_ - used_end_) {
    auto fresh = std::make_unique<Slot>();
    fresh->base = used_end_;
    fresh->capacity = capacity;
    used_end_ += capacity;
    slot = slots_.emplace(fresh->base, std::move(fresh)).first->second.get();
  }
  if (slot && !slot->has_pages) unpoisoned_.push_back(slot);
  return slot;
}

void Arena::give(Slot* slot) {
  poison(slot->base, slot->base + round_up(slot->allocation->bytes, 2));
  quarantine_.push_back(slot);
  quarantined_ += slot->capacity;
  // The oldest go back into use; one that is larger than the whole quarantine stays until the next comes.
  while (quarantined_ > kQuarantine && quarantine_.size() > 1) {
    Slot* oldest = quarantine_.front();
    quarantine_.pop_front();
    quarantined_ -= oldest->capacity;
    set_free(oldest);
  }
}

void Arena::set_free(Slot* slot) {
  if (kept_ + slot->capacity > kKept) {
    // Pages that it shares with its neighbours stay, and are poisoned already.
    const uintptr_t begin = round_up(slot->base, kPage);
    const uintptr_t end = (slot->base + slot->capacity) / kPage * kPage;
    if (begin < end) {
      madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
      slot->has_pages = false;
    }
  }
  if (slot->has_pages) kept_ += slot->capacity;
  free_[slot->capacity].push_back(slot);
}

const Slot* Arena::find(uintptr_t address) const {
  auto after = slots_.upper_bound(address);
  if (after == slots_.begin()) return nullptr;
  const Slot* slot = std::prev(after)->second.get();
  return address < slot->base + slot->capacity ? slot : nullptr;
}

void Arena::open() {
  if (is_open_) return;
  is_open_ = true;
  protect(PROT_READ | PROT_WRITE);
  for (Slot* slot : unpoisoned_) {
    poison(slot->base, slot->base + slot->capacity);
    slot->has_pages = true;
  }
  unpoisoned_.clear();
}

void Arena::close() {
  if (!is_open_) return;
  is_open_ = false;
  protect(PROT_NONE);
}

void Arena::protect(int protection) const {
  const size_t used = round_up(used_end_ - begin_, kPage);
  if (used != 0 && mprotect(reinterpret_cast<void*>(begin_), used, protection) != 0) {
    fault("cannot change the protection of {} bytes of device memory", used);
  }
}

void check_red_zone(const Allocation& allocation, const char* operation) {
  const uintptr_t from = round_up(allocation.end(), 2);
  if (all_poison(from, from + kRedZone - 2)) return;
  fault("write past the end: {} wrote behind {}", readable(operation), allocation.describe());
}

}  // namespace bevgrad::emulation
