// Ctrl-C and the signals by which a system asks a run to stop, noticed between two steps.
#pragma once
#include <array>
#include <csignal>
#include <exception>
#include <string>

namespace bevgrad {

/// SIGTERM: a launcher, or a system that shuts down. SIGUSR1 and SIGUSR2: a queue's warning before the time is up.
/// SIGHUP: the terminal is gone. The later ones in this list win where ranks got different ones.
inline constexpr std::array kStopSignals = {SIGUSR1, SIGUSR2, SIGHUP, SIGTERM, SIGINT};

/// While it lives, the signals above only set a flag. A second SIGINT ends the process at once; files are renamed into
/// place when they are whole, so that leaves nothing half-written. One that is ignored (nohup) stays ignored. One at a
/// time.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  /// The signal that came, or 0.
  static int caught();
};

/// For a message: "a signal (SIGUSR1)", "the end of its launcher (SIGTERM)" where the process that started this
/// one is gone.
std::string stop_cause(int signal);

/// The run was ended by a signal and has saved what it had. The command line exits with 128 + signal: 130 after
/// Ctrl-C, 143 after SIGTERM.
class Interrupted : public std::exception {
 public:
  explicit Interrupted(int signal, std::string message) : signal_(signal), message_(std::move(message)) {}
  int signal() const { return signal_; }
  int exit_status() const { return 128 + signal_; }
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  int signal_;
  std::string message_;
};

}  // namespace bevgrad
