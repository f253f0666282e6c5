// Broken rules, and accesses that the processor refuses.
#pragma once
#include <fmt/format.h>

#include <atomic>
#include <string>

#include "emulation/operation.h"

namespace bevgrad::emulation {

template <class... Arguments>
[[noreturn]] void fault(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  fault(fmt::format(format, std::forward<Arguments>(arguments)...));
}

/// The name of an operation as a reader knows it: a kernel's is the compiler's name of its arguments' types.
std::string readable(const char* name);

/// Takes over SIGSEGV: an address in device memory ends the process with the rule that was broken; any other goes to
/// the handler that was there before. Again and again is fine.
void watch_accesses();

/// The operation that runs now, nullptr where none does.
extern std::atomic<const char*> running_operation;

}  // namespace bevgrad::emulation
