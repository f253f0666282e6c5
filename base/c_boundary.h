// What stands between this code and a caller in C: no exception passes, its message does.
#pragma once
#include <algorithm>
#include <cstring>
#include <exception>
#include <new>

namespace bevgrad::c_boundary {

/// Gives the caller one line of text, which it frees; nothing where it asks for none.
inline void tell(char** error, const char* message) {
  if (error == nullptr) return;
  *error = ::strdup(message);
  if (*error != nullptr) std::replace(*error, *error + std::strlen(*error), '\n', ' ');
}

/// Runs what may throw; false, with the message, where it did.
template <class Run>
bool guarded(char** error, Run run) {
  if (error != nullptr) *error = nullptr;
  try {
    run();
    return true;
  } catch (const std::bad_alloc&) {
    tell(error, "out of memory");
  } catch (const std::exception& failure) {
    tell(error, failure.what());
  } catch (...) {
    tell(error, "unknown error");
  }
  return false;
}

}  // namespace bevgrad::c_boundary
