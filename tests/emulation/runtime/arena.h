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

  /// Lets everyone touch what is handed out, and poisons what is new.
  void open();
  void close();
  bool is_open() const { return is_open_; }

 private:
  void protect(int protection) const;

  uintptr_t begin_ = 0;
  size_t span_ = 0;
  uintptr_t used_end_ = 0;
  uintptr_t poisoned_end_ = 0;
  bool is_open_ = false;
  std::map<uintptr_t, std::unique_ptr<Slot>> slots_;
  std::map<size_t, std::vector<Slot*>> free_;  // by capacity
  std::deque<Slot*> quarantine_;
  size_t quarantined_ = 0;
};

/// Faults where something was written behind the end of the allocation.
void check_red_zone(const Allocation& allocation, const char* operation);

}  // namespace bevgrad::emulation
