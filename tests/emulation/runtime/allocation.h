// What is known about one piece of memory that CUDA handed out, and the checks of its use.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "emulation/operation.h"
#include "runtime/clock.h"

namespace bevgrad::emulation {

struct Slot;

/// A range that an operation read or wrote.
struct Use {
  uintptr_t begin = 0;
  uintptr_t end = 0;
  bool write = false;
  size_t stream = 0;
  uint64_t tick = 0;
  const char* by = nullptr;
};

struct Allocation {
  uintptr_t base = 0;
  size_t bytes = 0;
  int device = -1;  // -1: page-locked host memory
  Slot* slot = nullptr;
  bool stream_ordered = false;
  bool given_back = false;      // in the order of the host's calls
  bool present = true;          // in the order of the device
  const void* graph = nullptr;  // the capture that it was allocated in
  int queued = 0;               // operations in queues that touch it
  int queued_writes = 0;
  std::vector<Use> uses;

  uintptr_t end() const { return base + bytes; }
  /// "an allocation of 64 bytes on device 0"
  std::string describe() const;
};

/// Faults where `use` and an earlier one, of which one writes, are not ordered; remembers it.
void check_order(Allocation& allocation, const Use& use, const Clock& before);
/// Faults where something used the memory that is not known to be done before `when`.
void check_all_done(const Allocation& allocation, const Clock& before, const std::string& what);

}  // namespace bevgrad::emulation
