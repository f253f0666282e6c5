#include "runtime/machine.h"

#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <utility>

#include "emulation/control.h"
#include "runtime/fault.h"
#include "runtime/scheduler.h"

namespace bevgrad::emulation {
namespace {

// No address that anything is mapped at: a handle is a number.
constexpr uintptr_t kFirstStream = 0x10000;
constexpr uintptr_t kFirstHandle = 0x10000000;

thread_local int device_of_thread = 0;
thread_local cudaError_t last_error = cudaSuccess;
thread_local const bool in_main_thread = getpid() == gettid();

uint64_t setting(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

// Memory that static objects give back later still counts: who asks for this has none.
void refuse_leaks() {
  Machine& all = machine();
  const std::lock_guard lock(all.mutex);
  std::string first;
  size_t count = 0;
  const auto add = [&](const Allocation& allocation) {
    if (count++ == 0) first = allocation.describe();
  };
  for (const auto& device : all.devices) device->arena.for_each_in_use(add);
  for (const auto& [base, allocation] : all.pinned) add(*allocation);
  if (count > 0)
    fault("leak: at the end of the process {} allocations were not given back, among them {}", count, first);
}

// A call that answers a question about the machine, or about errors, works without a device.
bool needs_device(const char* function) {
  for (const char* free : {"cudaGetDeviceCount", "cudaDriverGetVersion", "cudaRuntimeGetVersion"}) {
    if (std::strcmp(function, free) == 0) return false;
  }
  return true;
}

// Whether the call makes a context on the thread's current device, if that has none yet: nearly every one does.
bool makes_context(const char* function) {
  for (const char* free :
       {"cudaGetDevice", "cudaSetDevice", "cudaGetDeviceProperties", "cudaDeviceGetAttribute", "device_of"}) {
    if (std::strcmp(function, free) == 0) return false;
  }
  return needs_device(function);
}

}  // namespace

// Sizes are rounded up and freed memory rests, so that addresses last for more than the bytes that may be in use.
DeviceState::DeviceState(size_t memory) : arena(4 * memory + (size_t{1} << 30)), memory(memory) {}

Machine::Machine() : next_handle(kFirstHandle), random(setting("BEVGRAD_EMULATION_SEED", 1)) {
  if (const char* file = std::getenv("BEVGRAD_EMULATED_LOSS")) lost_by = file;
  const char* text = std::getenv("BEVGRAD_EMULATED_DEVICES");
  is_old = text && std::strcmp(text, "oldgpu") == 0;
  const uint64_t count = is_old ? 1 : setting("BEVGRAD_EMULATED_DEVICES", 1);
  if (text && (std::strcmp(text, "nodriver") == 0 || std::strcmp(text, "olddriver") == 0)) {
    problem = cudaErrorInsufficientDriver;
  } else if (count == 0) {
    problem = cudaErrorNoDevice;
  } else {
    const uint64_t memory = setting("BEVGRAD_EMULATED_MEMORY", uint64_t{8} << 30);
    for (uint64_t i = 0; i < count; ++i) {
      devices.push_back(std::make_unique<DeviceState>(memory));
      devices.back()->default_stream = &new_stream(static_cast<int>(i));
    }
  }
}

DeviceState* Machine::device_at(uintptr_t address) {
  const int device = device_number(address);
  return device < 0 ? nullptr : devices[static_cast<size_t>(device)].get();
}

int Machine::device_number(uintptr_t address) const {
  for (size_t i = 0; i < devices.size(); ++i) {
    if (devices[i]->arena.contains(address)) return static_cast<int>(i);
  }
  return -1;
}

std::shared_ptr<Allocation> Machine::pinned_at(uintptr_t address) {
  auto after = pinned.upper_bound(address);
  if (after == pinned.begin()) return nullptr;
  const std::shared_ptr<Allocation>& candidate = std::prev(after)->second;
  return address < candidate->end() ? candidate : nullptr;
}

Stream& Machine::new_stream(int device) {
  auto stream = std::make_unique<Stream>();
  stream->number = streams.size();
  stream->device = device;
  streams.push_back(std::move(stream));
  return *streams.back();
}

Machine& machine() {
  static Machine& all = *new Machine;
  static const bool refuses_leaks = setting("BEVGRAD_EMULATION_LEAKS", 0) != 0 && std::atexit(refuse_leaks) == 0;
  static_cast<void>(refuses_leaks);
  return all;
}

int& current_device() {
  return device_of_thread;
}

Call::Call(const char* function) : function_(function) {
  if (inside_call) fault("{}: called from a kernel or a host function", function);
  Machine& all = machine();
  lock_ = std::unique_lock(all.mutex);
  inside_call = true;
  ++all.calls;
  const std::string_view name(function);
  auto counted = all.calls_of.find(name);
  if (counted == all.calls_of.end()) counted = all.calls_of.emplace(name, 0).first;
  ++counted->second;
  if (all.problem != cudaSuccess && needs_device(function)) error_ = all.problem;
  if (!all.lost_by.empty() && needs_device(function) && access(all.lost_by.c_str(), F_OK) == 0)
    error_ = cudaErrorLaunchFailure;
  if (error_ == cudaSuccess && makes_context(function))
    all.devices[static_cast<size_t>(current_device())]->has_context = true;
  watch_accesses();
  if (in_main_thread) end_with_main_thread();
  if (all.injected.empty()) return;
  auto injected = all.injected.find(std::string_view(function));
  if (injected != all.injected.end() && injected->second.successes-- == 0) {
    error_ = injected->second.error;
    all.injected.erase(injected);
  }
}

Call::~Call() {
  if (error_ == cudaSuccess) make_progress(lock_);
  inside_call = false;
}

cudaError_t Call::result(cudaError_t error) {
  if (error_ == cudaSuccess) error_ = error;
  // Not ready is an answer, not an error.
  if (error_ != cudaSuccess && error_ != cudaErrorNotReady) last_error = error_;
  return error_;
}

Stream& stream_of(cudaStream_t handle, const char* function) {
  Machine& all = machine();
  if (!handle) return *all.devices[static_cast<size_t>(current_device())]->default_stream;
  const uintptr_t number = (reinterpret_cast<uintptr_t>(handle) - kFirstStream) / 16;
  if (number >= all.streams.size()) fault("{}: {} is no stream", function, static_cast<const void*>(handle));
  Stream& stream = *all.streams[number];
  if (stream.destroyed) fault("{}: stream {} was destroyed", function, number);
  return stream;
}

cudaStream_t handle_of(const Stream& stream) {
  return reinterpret_cast<cudaStream_t>(kFirstStream + stream.number * 16);
}

void reseed(uint64_t seed) {
  Machine& all = machine();
  std::lock_guard lock(all.mutex);
  all.random = Random(seed);
}

void fail_call(const char* function, cudaError_t error, int successes) {
  Machine& all = machine();
  std::lock_guard lock(all.mutex);
  all.injected[function] = {error, successes};
}

int64_t calls_of(const char* function) {
  Machine& all = machine();
  std::lock_guard lock(all.mutex);
  const auto found = all.calls_of.find(std::string_view(function));
  return found == all.calls_of.end() ? 0 : found->second;
}

size_t queued_operations() {
  Machine& all = machine();
  std::lock_guard lock(all.mutex);
  return all.queued;
}

}  // namespace bevgrad::emulation

extern "C" {

cudaError_t cudaGetLastError() {
  return std::exchange(bevgrad::emulation::last_error, cudaSuccess);
}

cudaError_t cudaPeekAtLastError() {
  return bevgrad::emulation::last_error;
}
}
