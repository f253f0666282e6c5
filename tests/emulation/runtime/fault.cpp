#include "runtime/fault.h"

#include <cxxabi.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>

#include "runtime/machine.h"

namespace bevgrad::emulation {

std::atomic<const char*> running_operation{nullptr};

namespace {

struct sigaction previous_action;

void say(const char* text, size_t length) {
  if (write(STDERR_FILENO, text, length) < 0) return;  // there is nobody left to tell
}

// In a signal handler, where a lock may be held already; the process is about to end.
void refuse(uintptr_t address, const char* operation) {
  Machine& all = machine();
  const std::unique_lock lock(all.mutex, std::try_to_lock);
  const int device = all.device_number(address);
  const Slot* slot = all.device_at(address)->arena.find(address);
  if (operation) {
    fault("access outside of all allocations: {} touched {:#x} of device {}", readable(operation), address, device);
  } else if (slot && slot->allocation) {
    const Allocation& allocation = *slot->allocation;
    fault("host access to device memory: byte {} of {} allocation of {} bytes on device {}", address - slot->base,
          allocation.given_back ? "a freed" : "an", allocation.bytes, device);
  }
  fault("host access to device memory: {:#x} of device {}", address, device);
}

void on_bad_access(int signal, siginfo_t* info, void* context) {
  const auto address = reinterpret_cast<uintptr_t>(info->si_addr);
  const char* operation = running_operation;
  if (machine().device_at(address)) refuse(address, operation);
  if (operation) {
    const std::string line = fmt::format("emulated device: access outside of device memory: {} touched {:#x}\n",
                                         readable(operation), address);
    say(line.data(), line.size());
  }
  if (previous_action.sa_flags & SA_SIGINFO) {
    previous_action.sa_sigaction(signal, info, context);
  } else if (previous_action.sa_handler != SIG_DFL && previous_action.sa_handler != SIG_IGN) {
    previous_action.sa_handler(signal);
  } else {
    sigaction(signal, &previous_action, nullptr);  // the access is tried again, and ends the process
  }
}

}  // namespace

void fault(const std::string& message) {
  const std::string line = "emulated device: " + message + "\n";
  say(line.data(), line.size());
  abort();
}

std::string readable(const char* name) {
  int status = 0;
  char* text = abi::__cxa_demangle(name, nullptr, nullptr, &status);
  if (status != 0) return name;
  std::string result = text;
  std::free(text);
  const std::string_view tuple = "std::tuple<";
  if (result.starts_with(tuple))
    result = "kernel(" + result.substr(tuple.size(), result.size() - tuple.size() - 1) + ")";
  return result;
}

void watch_accesses() {
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction action {};
    action.sa_sigaction = on_bad_access;
    action.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK;
    sigaction(SIGSEGV, &action, &previous_action);
  });
}

}  // namespace bevgrad::emulation
