// Errors are exceptions that say which call, what came and what was expected, in one line.
#pragma once
#include <fmt/core.h>

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

/// What `fail` and `check` throw: one function that makes the text, so that a call of them is little code.
[[noreturn]] void throw_error(fmt::string_view format, fmt::format_args args);

/// Throws Error with a formatted message: `fail("conv2d: input has {} channels", c)`.
template <class... Args>
[[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) {
  throw_error(format, fmt::make_format_args(args...));
}

/// Throws Error unless `condition` holds. The arguments are formatted only then.
template <class... Args>
void check(bool condition, fmt::format_string<Args...> format, Args&&... args) {
  if (!condition) [[unlikely]]
    throw_error(format, fmt::make_format_args(args...));
}

}  // namespace bevgrad
