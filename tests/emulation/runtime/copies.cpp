// Copies and fills.
#include <cstring>
#include <vector>

#include "runtime/fault.h"
#include "runtime/graph.h"
#include "runtime/machine.h"
#include "runtime/perform.h"
#include "runtime/poison.h"
#include "runtime/scheduler.h"

namespace bevgrad::emulation {
namespace {

enum class Place { pageable, pinned, device };

const char* name_of(Place place) {
  return place == Place::device ? "device memory" : "host memory";
}

Place place_of(const void* pointer) {
  const auto address = reinterpret_cast<uintptr_t>(pointer);
  if (machine().device_at(address)) return Place::device;
  return machine().pinned_at(address) ? Place::pinned : Place::pageable;
}

const char* name_of(cudaMemcpyKind kind) {
  switch (kind) {
    case cudaMemcpyHostToHost:
      return "cudaMemcpyHostToHost";
    case cudaMemcpyHostToDevice:
      return "cudaMemcpyHostToDevice";
    case cudaMemcpyDeviceToHost:
      return "cudaMemcpyDeviceToHost";
    case cudaMemcpyDeviceToDevice:
      return "cudaMemcpyDeviceToDevice";
    case cudaMemcpyDefault:
      return "cudaMemcpyDefault";
  }
  return "an unknown cudaMemcpyKind";
}

void check_places(Place to, Place from, cudaMemcpyKind kind) {
  if (kind == cudaMemcpyDefault) return;
  const bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
  const bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  if (to_device != (to == Place::device)) fault("wrong direction: {} to {}", name_of(kind), name_of(to));
  if (from_device != (from == Place::device)) fault("wrong direction: {} from {}", name_of(kind), name_of(from));
}

uint64_t fingerprint(const void* data, size_t bytes) {
  uint64_t result = bytes;
  const auto* at = static_cast<const unsigned char*>(data);
  uint64_t word = 0;
  for (; bytes > 0; at += std::min<size_t>(bytes, 8), bytes -= std::min<size_t>(bytes, 8)) {
    std::memcpy(&word, at, std::min<size_t>(bytes, 8));
    result = (result ^ word) * 0x9e3779b97f4a7c15u;
    result ^= result >> 29;
  }
  return result;
}

void check_written(const void* from, size_t bytes, bool to_host) {
  const auto begin = reinterpret_cast<uintptr_t>(from);
  if (to_host) {
    if (const uintptr_t where = find_poison(begin, begin + bytes)) {
      fault(
          "read before write: a copy to the host of {} bytes finds memory at byte {} that nothing was written to (or a "
          "number computed from such)",
          bytes, where - begin);
    }
  } else if (bytes >= 4 && all_poison(begin, begin + bytes)) {
    fault("read before write: a copy of {} bytes from memory that nothing was written to", bytes);
  }
}

// What reads the source: at its turn, but for pageable memory, which the library takes before the call returns.
std::function<void(void*)> reader(const void* from, size_t bytes, Place place, bool to_host, const Stream& stream) {
  switch (place) {
    case Place::device:
      return [=](void* to) {
        check_written(from, bytes, to_host);
        std::memcpy(to, from, bytes);
      };
    case Place::pageable: {
      if (stream.capture) fault("capture: a copy from pageable host memory cannot be captured");
      const auto* bytes_now = static_cast<const unsigned char*>(from);
      return [taken = std::vector<unsigned char>(bytes_now, bytes_now + bytes)](void* to) {
        std::memcpy(to, taken.data(), taken.size());
      };
    }
    case Place::pinned:
      break;
  }
  // The host may fill it again only when the copy is known to be done. (Where queued work writes it as well, or a graph
  // reads it again and again, its contents now say nothing.)
  const std::shared_ptr<Allocation> source = machine().pinned_at(reinterpret_cast<uintptr_t>(from));
  if (stream.capture || source->queued_writes > 0) return [=](void* to) { std::memcpy(to, from, bytes); };
  return [=, expected = fingerprint(from, bytes)](void* to) {
    if (fingerprint(from, bytes) != expected) {
      fault("changed too early: the host wrote to {} before the copy of {} bytes from it was done", source->describe(),
            bytes);
    }
    std::memcpy(to, from, bytes);
  };
}

void copy(Stream& stream, void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  const Place target = place_of(to);
  const Place source = place_of(from);
  check_places(target, source, kind);
  Operation operation{"a copy", {}, {}, {}};
  if (source != Place::pageable) operation.accesses.push_back({from, bytes, Mode::read});
  if (target != Place::pageable) operation.accesses.push_back({to, bytes, Mode::write});
  Task task = make_task(std::move(operation), -1);
  if (target == Place::pinned && !stream.capture && machine().pinned_at(reinterpret_cast<uintptr_t>(to))->queued == 0) {
    // Whoever reads it before the copy is done gets nonsense.
    const auto begin = reinterpret_cast<uintptr_t>(to);
    poison((begin + 1) / 2 * 2, (begin + bytes) / 2 * 2);
  }
  task.run = [to, read = reader(from, bytes, source, target != Place::device, stream)](const Moment&) { read(to); };
  submit(stream, std::move(task));
}

}  // namespace
}  // namespace bevgrad::emulation

using namespace bevgrad::emulation;

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t handle) {
  Call call("cudaMemcpyAsync");
  if (call.refused()) return call.result();
  Stream& stream = stream_of(handle, call.function());
  if (bytes == 0) return call.result();
  const bool waits = place_of(to) == Place::pageable;
  if (waits && stream.capture) fault("capture: a copy to pageable host memory cannot be captured");
  copy(stream, to, from, bytes, kind);
  // To pageable memory the call returns when the copy is done.
  if (waits) finish(call.lock(), stream);
  return call.result();
}

cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  Call call("cudaMemcpy");
  if (call.refused()) return call.result();
  if (capture_forbids_call()) return call.result(cudaErrorStreamCaptureUnsupported);
  if (bytes == 0) return call.result();
  Stream& stream = stream_of(nullptr, call.function());
  copy(stream, to, from, bytes, kind);
  finish(call.lock(), stream);
  return call.result();
}

cudaError_t cudaMemsetAsync(void* pointer, int value, size_t bytes, cudaStream_t handle) {
  Call call("cudaMemsetAsync");
  if (call.refused()) return call.result();
  Stream& stream = stream_of(handle, call.function());
  if (bytes == 0) return call.result();
  if (place_of(pointer) != Place::device)
    fault("host pointer: cudaMemsetAsync of {}, which is no device memory", pointer);
  submit(
      stream,
      make_task({"cudaMemsetAsync", {{pointer, bytes, Mode::write}}, [=] { std::memset(pointer, value, bytes); }, {}},
                stream.device));
  return call.result();
}
