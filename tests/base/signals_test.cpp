#include "base/signals.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>

namespace bevgrad {
namespace {

/// How a process that does `body` ends: 128 + signal where a signal ended it.
int status_of(const std::function<int()>& body) {
  const pid_t child = fork();
  if (child == 0) {
    std::signal(SIGINT, SIG_DFL);  // a shell ignores it for what it starts in the background
    _exit(body());
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

TEST(StopSignals, AreCaughtAndForgottenAtTheEnd) {
  EXPECT_EQ(status_of([] {
              {
                const StopSignals signals;
                if (StopSignals::caught() != 0) return 1;
                std::raise(SIGTERM);
                if (StopSignals::caught() != SIGTERM) return 2;
                std::raise(SIGTERM);  // a launcher may send it again
                std::raise(SIGUSR1);
                if (StopSignals::caught() != SIGUSR1) return 3;
              }
              return StopSignals::caught() == 0 ? 0 : 4;
            }),
            0);
}

TEST(StopSignals, ASecondCtrlCEndsAtOnceTwoOtherSignalsDoNot) {
  EXPECT_EQ(status_of([] {
              const StopSignals signals;
              std::raise(SIGINT);
              std::raise(SIGINT);
              return 0;
            }),
            128 + SIGINT);
  EXPECT_EQ(status_of([] {
              const StopSignals signals;
              std::raise(SIGTERM);
              std::raise(SIGINT);
              return StopSignals::caught() == SIGINT ? 7 : 8;
            }),
            7);
}

TEST(StopSignals, WhatWasIgnoredStaysSoAndHandlersComeBack) {
  EXPECT_EQ(status_of([] {
              std::signal(SIGINT, SIG_IGN);  // as nohup and a shell's & leave it
              std::signal(SIGTERM, SIG_DFL);
              {
                const StopSignals signals;
                std::raise(SIGINT);
                if (StopSignals::caught() != 0) return 1;
              }
              std::raise(SIGINT);
              std::raise(SIGTERM);
              return 2;
            }),
            128 + SIGTERM);
}

}  // namespace
}  // namespace bevgrad
