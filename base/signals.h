// Ctrl-C and SIGTERM, noticed between two steps.
#pragma once
#include <exception>
#include <string>

namespace bevgrad {

/// While it lives, SIGINT and SIGTERM only set a flag. A second SIGINT ends the process at once; files are renamed into
/// place when they are whole, so that leaves nothing half-written. One at a time.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  /// The signal that came, or 0.
  static int caught();
};

/// The run was ended by a signal and has saved what it had. The command line exits with 128 + signal: 130 after
/// Ctrl-C, 143 after SIGTERM.
class Interrupted : public std::exception {
 public:
  explicit Interrupted(int signal, std::string message) : signal_(signal), message_(std::move(message)) {}
  int exit_status() const { return 128 + signal_; }
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  int signal_;
  std::string message_;
};

}  // namespace bevgrad
