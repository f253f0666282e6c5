#include "base/signals.h"

#include <unistd.h>

#include <cstring>

namespace bevgrad {
namespace {

volatile std::sig_atomic_t caught_signal = 0;
pid_t parent = 0;
std::array<struct sigaction, kStopSignals.size()> previous;

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
  parent = getppid();
  struct sigaction action = {};
  action.sa_handler = note;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  for (size_t i = 0; i < kStopSignals.size(); ++i) {
    sigaction(kStopSignals[i], nullptr, &previous[i]);
    if (previous[i].sa_handler != SIG_IGN) sigaction(kStopSignals[i], &action, nullptr);
  }
}

StopSignals::~StopSignals() {
  for (size_t i = 0; i < kStopSignals.size(); ++i) sigaction(kStopSignals[i], &previous[i], nullptr);
  caught_signal = 0;
}

int StopSignals::caught() {
  return caught_signal;
}

std::string stop_cause(int signal) {
  const char* name = sigabbrev_np(signal);
  const std::string text = std::string("SIG") + (name ? name : "?");
  if (signal == SIGTERM && parent != 0 && getppid() != parent) return "the end of its launcher (" + text + ")";
  return "a signal (" + text + ")";
}

}  // namespace bevgrad
