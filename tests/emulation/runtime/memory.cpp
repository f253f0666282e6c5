// The calls that hand out memory and take it back.
#include <cstdlib>

#include "emulation/operation.h"
#include "runtime/fault.h"
#include "runtime/graph.h"
#include "runtime/machine.h"
#include "runtime/poison.h"
#include "runtime/scheduler.h"

namespace bevgrad::emulation {
namespace {

DeviceState& state(int device) {
  return *machine().devices[static_cast<size_t>(device)];
}

// nullptr where the device is full.
std::shared_ptr<Allocation> take(int device, size_t bytes) {
  DeviceState& owner = state(device);
  if (bytes > owner.memory - owner.used) return nullptr;
  Slot* slot = owner.arena.take(bytes);
  if (!slot) return nullptr;
  auto allocation = std::make_shared<Allocation>();
  allocation->base = slot->base;
  allocation->bytes = bytes;
  allocation->device = device;
  allocation->slot = slot;
  slot->allocation = allocation;
  owner.used += bytes;
  owner.used_high = std::max(owner.used_high, owner.used);
  owner.reserved = std::max(owner.reserved, owner.used);
  owner.reserved_high = std::max(owner.reserved_high, owner.reserved);
  return allocation;
}

// The memory that the caller gives back, which must be its start.
std::shared_ptr<Allocation> given(void* pointer, const char* function) {
  const auto address = reinterpret_cast<uintptr_t>(pointer);
  DeviceState* owner = machine().device_at(address);
  if (!owner) fault("{}: {} is no device memory", function, pointer);
  const Slot* slot = owner->arena.find(address);
  if (!slot || !slot->allocation) fault("{}: {} was never allocated", function, pointer);
  const std::shared_ptr<Allocation>& allocation = slot->allocation;
  if (address != allocation->base) {
    fault("{}: {} is byte {} of {}, not its start", function, pointer, address - allocation->base,
          allocation->describe());
  }
  if (allocation->given_back) fault("double free: {}: {} was given back before", function, allocation->describe());
  return allocation;
}

// At the free's turn; device memory is open.
void release(Allocation& allocation, const char* function) {
  check_red_zone(allocation, function);
  allocation.present = false;
  allocation.uses.clear();
  // Memory of a graph is there again when the graph is launched again.
  if (allocation.graph) {
    poison(allocation.base, allocation.base + (allocation.bytes + 1) / 2 * 2);
  } else {
    state(allocation.device).arena.give(allocation.slot);
  }
}

Task allocation_task(std::shared_ptr<Allocation> allocation) {
  Task task;
  task.name = "cudaMallocAsync";
  task.run = [allocation = std::move(allocation)](const Moment& moment) {
    if (allocation->present) fault("a graph is launched while memory that it allocated the last time is in use");
    allocation->present = true;
    allocation->uses = {{allocation->base, allocation->end(), true, moment.stream, moment.tick, "cudaMallocAsync"}};
  };
  return task;
}

Task free_task(std::shared_ptr<Allocation> allocation) {
  Task task;
  task.name = "cudaFreeAsync";
  task.run = [allocation = std::move(allocation)](const Moment& moment) {
    if (!allocation->present) fault("memory is given back, on stream {}, before its allocation's turn", moment.stream);
    check_all_done(
        *allocation, moment.before,
        fmt::format("missing synchronisation: {} is given back on stream {}", allocation->describe(), moment.stream));
    release(*allocation, "an operation");
    if (!allocation->graph) machine().bytes_to_free -= allocation->bytes;
  };
  return task;
}

cudaError_t allocate_pinned(Call& call, void** pointer, size_t bytes) {
  if (call.refused()) return call.result();
  if (capture_forbids_call()) return call.result(cudaErrorStreamCaptureUnsupported);
  *pointer = nullptr;
  if (bytes == 0) return call.result();
  constexpr size_t kPage = 4096;
  *pointer = std::aligned_alloc(kPage, (bytes + kPage - 1) / kPage * kPage);
  if (!*pointer) return call.result(cudaErrorMemoryAllocation);
  auto allocation = std::make_shared<Allocation>();
  allocation->base = reinterpret_cast<uintptr_t>(*pointer);
  allocation->bytes = bytes;
  poison(allocation->base, allocation->base + (bytes + 1) / 2 * 2);
  machine().pinned[allocation->base] = std::move(allocation);
  return call.result();
}

}  // namespace

int device_of(const void* pointer) {
  return machine().device_number(reinterpret_cast<uintptr_t>(pointer));
}

size_t bytes_behind(const void* pointer) {
  std::unique_lock lock(machine().mutex, std::defer_lock);
  if (!inside_call) lock.lock();
  const auto address = reinterpret_cast<uintptr_t>(pointer);
  DeviceState* owner = machine().device_at(address);
  const Slot* slot = owner ? owner->arena.find(address) : nullptr;
  if (!slot || !slot->allocation || slot->allocation->given_back) return 0;
  return address < slot->allocation->end() ? slot->allocation->end() - address : 0;
}

bool unwritten(const void* pointer, size_t bytes) {
  const auto address = reinterpret_cast<uintptr_t>(pointer);
  return all_poison(address, address + bytes);
}

}  // namespace bevgrad::emulation

using namespace bevgrad::emulation;

cudaError_t cudaMalloc(void** pointer, size_t bytes) {
  Call call("cudaMalloc");
  if (call.refused()) return call.result();
  if (capture_forbids_call()) return call.result(cudaErrorStreamCaptureUnsupported);
  *pointer = nullptr;
  if (bytes == 0) return call.result();
  const std::shared_ptr<Allocation> allocation = take(current_device(), bytes);
  if (!allocation) return call.result(cudaErrorMemoryAllocation);
  *pointer = reinterpret_cast<void*>(allocation->base);
  return call.result();
}

cudaError_t cudaFree(void* pointer) {
  Call call("cudaFree");
  if (call.refused()) return call.result();
  if (!pointer) return call.result();
  if (capture_forbids_call()) return call.result(cudaErrorStreamCaptureUnsupported);
  const std::shared_ptr<Allocation> allocation = given(pointer, call.function());
  // Memory of cudaMalloc: the call waits for the device. Memory of a pool: it does not, the caller has to.
  if (!allocation->stream_ordered) finish_device(call.lock(), allocation->device);
  if (allocation->queued > 0)
    fault("missing synchronisation: cudaFree of {} that queued operations still use", allocation->describe());
  check_all_done(*allocation, machine().host,
                 fmt::format("missing synchronisation: cudaFree of {}", allocation->describe()));
  const OpenMemory memory;
  release(*allocation, "an operation");
  if (!allocation->graph) {
    allocation->given_back = true;
    state(allocation->device).used -= allocation->bytes;
  }
  return call.result();
}

cudaError_t cudaMallocAsync(void** pointer, size_t bytes, cudaStream_t handle) {
  Call call("cudaMallocAsync");
  if (call.refused()) return call.result();
  *pointer = nullptr;
  if (bytes == 0) return call.result(cudaErrorInvalidValue);
  Stream& stream = stream_of(handle, call.function());
  const std::shared_ptr<Allocation> allocation = take(stream.device, bytes);
  if (!allocation) return call.result(cudaErrorMemoryAllocation);
  allocation->stream_ordered = true;
  allocation->present = false;
  allocation->graph = stream.capture.get();
  submit(stream, allocation_task(allocation));
  *pointer = reinterpret_cast<void*>(allocation->base);
  return call.result();
}

cudaError_t cudaFreeAsync(void* pointer, cudaStream_t handle) {
  Call call("cudaFreeAsync");
  if (call.refused()) return call.result();
  if (!pointer) return call.result(cudaErrorInvalidValue);
  Stream& stream = stream_of(handle, call.function());
  std::shared_ptr<Allocation> allocation = given(pointer, call.function());
  const bool outside = allocation->graph && allocation->graph != stream.capture.get();
  if (stream.capture && !allocation->graph) {
    fault("cudaFreeAsync: {} was allocated before the capture, which would give it back at every launch",
          allocation->describe());
  }
  if (!outside) {
    allocation->given_back = true;
    state(allocation->device).used -= allocation->bytes;
  }
  if (!allocation->graph) machine().bytes_to_free += allocation->bytes;
  submit(stream, free_task(std::move(allocation)));
  return call.result();
}

cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  Call call("cudaMemGetInfo");
  if (call.refused()) return call.result();
  const DeviceState& device = state(current_device());
  *free = device.memory - std::max(device.used, device.reserved);
  *total = device.memory;
  return call.result();
}

cudaError_t cudaMallocHost(void** pointer, size_t bytes) {
  Call call("cudaMallocHost");
  return allocate_pinned(call, pointer, bytes);
}

cudaError_t cudaHostAlloc(void** pointer, size_t bytes, unsigned flags) {
  Call call("cudaHostAlloc");
  if (flags & ~unsigned{cudaHostAllocPortable | cudaHostAllocMapped | cudaHostAllocWriteCombined}) {
    return call.result(cudaErrorInvalidValue);
  }
  return allocate_pinned(call, pointer, bytes);
}

cudaError_t cudaFreeHost(void* pointer) {
  Call call("cudaFreeHost");
  if (call.refused()) return call.result();
  if (!pointer) return call.result();
  auto found = machine().pinned.find(reinterpret_cast<uintptr_t>(pointer));
  if (found == machine().pinned.end()) {
    fault("double free: cudaFreeHost: {} is no page-locked memory, or was given back before", pointer);
  }
  Allocation& allocation = *found->second;
  if (allocation.queued > 0)
    fault("missing synchronisation: cudaFreeHost of {} that queued operations still use", allocation.describe());
  check_all_done(allocation, machine().host,
                 fmt::format("missing synchronisation: cudaFreeHost of {}", allocation.describe()));
  allocation.given_back = true;
  allocation.present = false;
  machine().pinned.erase(found);
  std::free(pointer);
  return call.result();
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* pointer) {
  Call call("cudaPointerGetAttributes");
  if (call.refused()) return call.result();
  const auto address = reinterpret_cast<uintptr_t>(pointer);
  auto* plain = const_cast<void*>(pointer);
  const int device = machine().device_number(address);
  if (device >= 0) {
    *attributes = {cudaMemoryTypeDevice, device, plain, nullptr};
  } else if (machine().pinned_at(address)) {
    *attributes = {cudaMemoryTypeHost, current_device(), plain, plain};
  } else {
    *attributes = {cudaMemoryTypeUnregistered, -2, nullptr, plain};
  }
  return call.result();
}
