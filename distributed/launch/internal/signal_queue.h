// Signals as something to poll.
#pragma once
#include <csignal>

#include "distributed/socket.h"

namespace bevgrad {

/// Those that a launcher deals with: SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2 and SIGCHLD. Made before any thread
/// starts.
class SignalQueue {
 public:
  SignalQueue();
  ~SignalQueue();
  SignalQueue(const SignalQueue&) = delete;
  SignalQueue& operator=(const SignalQueue&) = delete;

  int descriptor() const { return descriptor_.descriptor(); }
  /// The next one, 0 where none waits.
  int next() const;

 private:
  sigset_t before_;
  Socket descriptor_;
};

}  // namespace bevgrad
