// The file in which a process that a launcher started says why it failed (TORCHELASTIC_ERROR_FILE), as torchrun reads
// and writes it.
#pragma once
#include <optional>
#include <string>

namespace bevgrad {

struct FailureNote {
  std::string message;
  double timestamp = 0;  ///< seconds since 1970; the earliest of several is the cause of the others
};

/// Writes the file that TORCHELASTIC_ERROR_FILE names, once and whole; does nothing where it is not set, and nothing
/// where it cannot be written (the failure itself matters more).
void write_error_file(const std::string& message);

/// Nothing where the file is not there, or not such a file. At most 1 MiB is read.
std::optional<FailureNote> read_error_file(const std::string& path);

}  // namespace bevgrad
