#include "runtime/perform.h"

#include <algorithm>
#include <array>

#include "runtime/arena.h"
#include "runtime/fault.h"
#include "runtime/machine.h"

namespace bevgrad::emulation {
namespace {

// Whether an operation of unknown intent wrote to an allocation is seen from some of its words. (What it reaches
// through pointers that lie in device memory themselves is not known at all.)
class Watch {
 public:
  Watch(Allocation& allocation, size_t offset) : allocation_(&allocation) {
    const size_t words = allocation.bytes / 8;
    stride_ = std::max<size_t>(1, words / kWords);
    first_ = offset % stride_;
    count_ = words == 0 ? 0 : std::min(kWords, (words - first_ + stride_ - 1) / stride_);
    for (size_t i = 0; i < count_; ++i) before_[i] = *word(i);
    tail_ = tail();
  }

  /// The hull of what has changed; empty where nothing has.
  std::pair<uintptr_t, uintptr_t> changed() const {
    std::pair<uintptr_t, uintptr_t> hull{allocation_->end(), allocation_->base};
    const auto widen = [&](uintptr_t begin, uintptr_t end) {
      hull = {std::min(hull.first, begin), std::max(hull.second, end)};
    };
    for (size_t i = 0; i < count_; ++i) {
      const auto address = reinterpret_cast<uintptr_t>(word(i));
      if (*word(i) != before_[i]) widen(address, address + 8);
    }
    if (tail() != tail_) widen(allocation_->end() - allocation_->bytes % 8, allocation_->end());
    return hull;
  }

  Allocation& allocation() const { return *allocation_; }

 private:
  static constexpr size_t kWords = 32;

  const uint64_t* word(size_t i) const {
    return reinterpret_cast<const uint64_t*>(allocation_->base) + first_ + i * stride_;
  }
  uint64_t tail() const {
    uint64_t result = 0;
    for (uintptr_t at = allocation_->end() - allocation_->bytes % 8; at < allocation_->end(); ++at) {
      result = result << 8 | *reinterpret_cast<const uint8_t*>(at);
    }
    return result;
  }

  Allocation* allocation_;
  size_t stride_ = 1;
  size_t first_ = 0;
  size_t count_ = 0;
  std::array<uint64_t, kWords> before_{};
  uint64_t tail_ = 0;
};

}  // namespace

Touch find_memory(const Access& access, const char* operation, int device) {
  Machine& all = machine();
  const auto address = reinterpret_cast<uintptr_t>(access.pointer);
  const int owner = all.device_number(address);
  std::shared_ptr<Allocation> allocation;
  if (owner < 0) {
    allocation = all.pinned_at(address);
    if (!allocation) fault("host pointer: {} gets {}, which is no device memory", readable(operation), access.pointer);
  } else {
    const Slot* slot = all.devices[static_cast<size_t>(owner)]->arena.find(address);
    if (!slot || !slot->allocation) {
      fault("{} uses {} of device {}, which was never allocated", readable(operation), access.pointer, owner);
    }
    allocation = slot->allocation;
    if (device >= 0 && owner != device) {
      fault("wrong device: {} runs on device {} and gets {}", readable(operation), device, allocation->describe());
    }
  }
  if (allocation->given_back) {
    fault("use after free: {} gets byte {} of {}, which was given back before", readable(operation),
          address - allocation->base, allocation->describe());
  }
  if (access.bytes > 0 && address + access.bytes > allocation->end()) {
    fault("out of bounds: {} touches bytes {} to {} of {}", readable(operation), address - allocation->base,
          address - allocation->base + access.bytes, allocation->describe());
  }
  return {std::move(allocation), address, access.bytes, access.mode};
}

Task make_task(Operation operation, int device) {
  Task task;
  task.name = operation.name;
  task.run = [run = std::move(operation.run)](const Moment&) { run(); };
  task.ready = std::move(operation.ready);
  for (const Access& access : operation.accesses) {
    if (access.bytes == 0 && access.mode != Mode::unknown) continue;
    task.touches.push_back(find_memory(access, operation.name, device));
  }
  return task;
}

void perform(const Task& task, const Moment& moment) {
  running_operation = task.name;
  std::vector<Watch> watches;
  for (const Touch& touch : task.touches) {
    Allocation& allocation = *touch.allocation;
    if (!allocation.present) {
      fault("use after free: {} on stream {} runs when {} is no longer (or not yet) allocated in its stream's order",
            readable(task.name), moment.stream, allocation.describe());
    }
    const auto check = [&](size_t bytes, bool write) {
      check_order(allocation, {touch.pointer, touch.pointer + bytes, write, moment.stream, moment.tick, task.name},
                  moment.before);
    };
    if (touch.mode != Mode::unknown) {
      check(touch.bytes, touch.mode != Mode::read);
      continue;
    }
    check(1, false);
    const bool watched = std::any_of(watches.begin(), watches.end(),
                                     [&](const Watch& watch) { return &watch.allocation() == &allocation; });
    if (!watched) watches.emplace_back(allocation, static_cast<size_t>(machine().random.next()));
  }
  task.run(moment);
  for (const Watch& watch : watches) {
    const auto [begin, end] = watch.changed();
    if (begin >= end) continue;
    check_order(watch.allocation(), {begin, end, true, moment.stream, moment.tick, task.name}, moment.before);
  }
  for (const Touch& touch : task.touches) {
    if (touch.allocation->device >= 0 && touch.allocation->present) check_red_zone(*touch.allocation, task.name);
  }
  running_operation = nullptr;
}

}  // namespace bevgrad::emulation
