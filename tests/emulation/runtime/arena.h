// The memory of one emulated device: address space that nobody may touch but while queued operations run. Slots are
// handed out from the front and reused by size; a freed slot rests in a quarantine first, so that whoever still holds
// its address is caught.
#pragma once
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <vector>

#include "runtime/allocation.h"

namespace bevgrad::emulation {

struct Slot {
  uintptr_t base = 0;
  size_t capacity = 0;
  bool has_pages = false;
  std::shared_ptr<Allocation> allocation;  // the one that has it, or had it last
};

class Arena {
 public:
  /// Reserves `span` bytes of addresses.
  explicit Arena(size_t span);

  /// A slot with room for `bytes` and a red zone behind; nullptr where the addresses are used up.
  Slot* take(size_t bytes);
  /// The slot rests in the quarantine. Needs the arena open: the memory is poisoned.
  void give(Slot* slot);

  bool contains(uintptr_t address) const { return address >= begin_ && address < begin_ + span_; }
  /// The slot that holds the address, nullptr where none does.
  const Slot* find(uintptr_t address) const;

  /// Calls f(allocation) for what is handed out.
  template <class F>
  void for_each_in_use(const F& f) const {
    for (const auto& [base, slot] : slots_) {
      if (slot->allocation && !slot->allocation->given_back) f(*slot->allocation);
    }
  }

  /// Lets everyone touch what is handed out, and poisons what is new.
  void open();
  void close();
  bool is_open() const { return is_open_; }

 private:
  void set_free(Slot* slot);
  void protect(int protection) const;

  uintptr_t begin_ = 0;
  size_t span_ = 0;
  uintptr_t used_end_ = 0;
  bool is_open_ = false;
  std::map<uintptr_t, std::unique_ptr<Slot>> slots_;
  std::map<size_t, std::vector<Slot*>> free_;  // by capacity
  std::deque<Slot*> quarantine_;
  size_t quarantined_ = 0;
  size_t kept_ = 0;                // bytes of free slots that the system still holds pages for
  std::vector<Slot*> unpoisoned_;  // handed out with fresh pages, which are zero
};

/// Faults where something was written behind the end of the allocation.
void check_red_zone(const Allocation& allocation, const char* operation);

}  // namespace bevgrad::emulation
