#include "base/signals.h"

#include <csignal>

namespace bevgrad {
namespace {

volatile std::sig_atomic_t caught_signal = 0;
struct sigaction previous_int, previous_term;

void note(int signal) {
  if (signal == SIGINT && caught_signal == SIGINT) {
    // Ctrl-C again: whoever presses it does not want to wait.
    std::signal(SIGINT, SIG_DFL);
    std::raise(SIGINT);
    return;
  }
  caught_signal = signal;
}

}  // namespace

StopSignals::StopSignals() {
  caught_signal = 0;
  struct sigaction action = {};
  action.sa_handler = note;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  sigaction(SIGINT, &action, &previous_int);
  sigaction(SIGTERM, &action, &previous_term);
}

StopSignals::~StopSignals() {
  sigaction(SIGINT, &previous_int, nullptr);
  sigaction(SIGTERM, &previous_term, nullptr);
  caught_signal = 0;
}

int StopSignals::caught() {
  return caught_signal;
}

}  // namespace bevgrad
