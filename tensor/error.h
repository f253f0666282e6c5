// Errors are exceptions that say which call, what came and what was expected, in one line.
#pragma once
#include <fmt/format.h>

#include <stdexcept>
#include <string>

namespace bevgrad {

/// A failure at run time: a shape that does not fit, a damaged file, a full disk. The command line exits with 1.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// What the user asked for cannot be right: a wrong flag, file name or config field. The command line exits with 2.
class UsageError : public Error {
 public:
  using Error::Error;
};

/// Throws Error with a formatted message: `fail("conv2d: input has {} channels", c)`.
template <class... Args>
[[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) {
  throw Error(fmt::format(format, std::forward<Args>(args)...));
}

/// Throws Error unless `condition` holds. The arguments are formatted only then.
template <class... Args>
void check(bool condition, fmt::format_string<Args...> format, Args&&... args) {
  if (!condition) [[unlikely]]
    throw Error(fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace bevgrad
