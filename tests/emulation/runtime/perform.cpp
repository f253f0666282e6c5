#include "runtime/perform.h"

#include <omp.h>

#include <algorithm>
#include <array>

#include "runtime/arena.h"
#include "runtime/fault.h"
#include "runtime/machine.h"

namespace bevgrad::emulation {
namespace {

// Whether an operation of unknown intent wrote to an allocation is seen from some of its words: those that the
// operation got pointers to, the first, the last, and some between. (What it reaches through pointers that lie in
// device memory themselves is not known at all.)
class Watch {
 public:
  Watch(Allocation& allocation, size_t offset) : allocation_(&allocation) {
    constexpr size_t kEvenly = 32;
    const size_t words = allocation.bytes / 8;
    const size_t stride = std::max<size_t>(1, words / kEvenly);
    for (size_t word = offset % stride; word < words && count_ < kEvenly; word += stride) add(word);
    if (words > 0) add(words - 1);
    if (words > 0) add(0);
    tail_ = tail();
  }

  /// The operation has a pointer to this.
  void add_pointer(uintptr_t pointer) {
    const size_t word = (pointer - allocation_->base) / 8;
    if (count_ < words_.size() && word < allocation_->bytes / 8) add(word);
  }

  /// The hull of what has changed; empty where nothing has.
  std::pair<uintptr_t, uintptr_t> changed() const {
    std::pair<uintptr_t, uintptr_t> hull{allocation_->end(), allocation_->base};
    const auto widen = [&](uintptr_t begin, uintptr_t end) {
      hull = {std::min(hull.first, begin), std::max(hull.second, end)};
    };
    for (size_t i = 0; i < count_; ++i) {
      if (*words_[i] == before_[i]) continue;
      const auto address = reinterpret_cast<uintptr_t>(words_[i]);
      widen(address, address + 8);
    }
    if (tail() != tail_) widen(allocation_->end() - allocation_->bytes % 8, allocation_->end());
    return hull;
  }

  Allocation& allocation() const { return *allocation_; }

 private:
  void add(size_t word) {
    words_[count_] = reinterpret_cast<const uint64_t*>(allocation_->base) + word;
    before_[count_] = *words_[count_];
    ++count_;
  }
  uint64_t tail() const {
    uint64_t result = 0;
    for (uintptr_t at = allocation_->end() - allocation_->bytes % 8; at < allocation_->end(); ++at) {
      result = result << 8 | *reinterpret_cast<const uint8_t*>(at);
    }
    return result;
  }

  static constexpr size_t kMost = 48;

  Allocation* allocation_;
  size_t count_ = 0;
  std::array<const uint64_t*, kMost> words_;
  std::array<uint64_t, kMost> before_;
  uint64_t tail_ = 0;
};

/// OpenMP's number of threads for a scope.
class ThreadCount {
 public:
  explicit ThreadCount(int count) : before_(omp_get_max_threads()) { omp_set_num_threads(count); }
  ~ThreadCount() { omp_set_num_threads(before_); }
  ThreadCount(const ThreadCount&) = delete;
  ThreadCount& operator=(const ThreadCount&) = delete;

 private:
  int before_;
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
  task.threads = omp_get_max_threads();
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
    auto watch = std::find_if(watches.begin(), watches.end(),
                              [&](const Watch& other) { return &other.allocation() == &allocation; });
    if (watch == watches.end()) {
      watch = watches.emplace(watches.end(), allocation, static_cast<size_t>(machine().random.next()));
    }
    watch->add_pointer(touch.pointer);
  }
  {
    const ThreadCount threads(task.threads);
    task.run(moment);
  }
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
