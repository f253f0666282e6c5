// The launcher as a function: what its processes are told, which status it ends with, when it starts them again, and
// what it does with signals. Whole runs under it are in tests/tools.
#include "distributed/launch/agent.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>

#include <csignal>
#include <fstream>
#include <thread>

#include "base/error.h"
#include "base/files.h"
#include "distributed/agent_link.h"
#include "distributed/ranks.h"
#include "distributed/tcp_store.h"
#include "launch/internal/repeated_failure.h"
#include "support/temporary_folder.h"

namespace bevgrad {
namespace {

using std::chrono::milliseconds;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::TemporaryFolder;

LaunchOptions shell(const std::string& script, int processes = 1) {
  LaunchOptions options;
  options.nproc_per_node = processes;
  options.master_port = 0;
  options.grace = milliseconds(5000);
  options.timeout = milliseconds(20000);
  options.command = {"sh", "-c", script};
  return options;
}

struct Ended {
  int status = -1;
  std::string out, said;
};

Ended launched(const LaunchOptions& options) {
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  Ended ended;
  ended.status = launch(options);
  ended.out = ::testing::internal::GetCapturedStdout();
  ended.said = ::testing::internal::GetCapturedStderr();
  return ended;
}

/// A script that adds a line to `file`, so that tries can be counted, and goes on.
std::string counted(const std::string& file, const std::string& script) {
  return "echo $TORCHELASTIC_RESTART_COUNT >> " + file + "; " + script;
}

int seconds_since(std::chrono::steady_clock::time_point start) {
  return static_cast<int>(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
}

TEST(Agent, EveryProcessIsToldItsPlace) {
  LaunchOptions options = shell("env", 3);
  options.run_id = "job7";
  options.max_restarts = 4;
  const Ended ended = launched(options);
  EXPECT_EQ(ended.status, 0);
  for (const std::string rank : {"0", "1", "2"}) {
    for (const std::string& variable :
         {"RANK=" + rank, "LOCAL_RANK=" + rank, "ROLE_RANK=" + rank, std::string("WORLD_SIZE=3"),
          std::string("LOCAL_WORLD_SIZE=3"), std::string("ROLE_WORLD_SIZE=3"), std::string("ROLE_NAME=default"),
          std::string("GROUP_RANK=0"), std::string("GROUP_WORLD_SIZE=1"), std::string("MASTER_ADDR=127.0.0.1"),
          std::string("TORCHELASTIC_RESTART_COUNT=0"), std::string("TORCHELASTIC_MAX_RESTARTS=4"),
          std::string("TORCHELASTIC_RUN_ID=job7"), std::string("TORCHELASTIC_USE_AGENT_STORE=True")})
      EXPECT_THAT(ended.out, HasSubstr("[rank" + rank + "] " + variable + "\n"));
  }
  // Any free port was asked for: the processes get the one that was found.
  EXPECT_THAT(ended.out, AllOf(HasSubstr("MASTER_PORT="), Not(HasSubstr("MASTER_PORT=0\n"))));
}

TEST(Agent, RanksAreCountedOverTheMachines) {
  const TemporaryFolder folder;
  const int port = free_port();
  const auto node = [&](int rank) {
    LaunchOptions options =
        shell("echo $RANK $LOCAL_RANK $GROUP_RANK $WORLD_SIZE $LOCAL_WORLD_SIZE $ROLE_RANK $ROLE_WORLD_SIZE > " +
                  folder.path() + "/$RANK",
              2);
    options.nnodes = 2;
    options.node_rank = rank;
    options.master_port = port;
    return options;
  };
  int status = -1;
  std::thread other([&] { status = launch(node(1)); });
  EXPECT_EQ(launch(node(0)), 0);
  other.join();
  EXPECT_EQ(status, 0);
  EXPECT_EQ(read_file(folder / "0"), "0 0 0 4 2 0 4\n");
  EXPECT_EQ(read_file(folder / "1"), "1 1 0 4 2 1 4\n");
  EXPECT_EQ(read_file(folder / "2"), "2 0 1 4 2 2 4\n");
  EXPECT_EQ(read_file(folder / "3"), "3 1 1 4 2 3 4\n");
}

TEST(Agent, AFailureOnAnotherMachineEndsThisOneToo) {
  const int port = free_port();
  const auto node = [&](int rank, const std::string& script) {
    LaunchOptions options = shell(script);
    options.nnodes = 2;
    options.node_rank = rank;
    options.master_port = port;
    return options;
  };
  int status = -1;
  std::thread other([&] { status = launch(node(1, "sleep 0.3; exit 9")); });
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(launch(node(0, "sleep 60")), 1);
  other.join();
  EXPECT_EQ(status, 9);
  EXPECT_LT(seconds_since(start), 30);
}

TEST(Agent, RestartsAreCountedAndTheStatusIsOfTheFirstToFail) {
  const TemporaryFolder folder;
  const std::string tries = folder / "tries";
  LaunchOptions options = shell(counted(tries, "[ $TORCHELASTIC_RESTART_COUNT = 2 ] || exit 7"));
  options.max_restarts = 2;
  Ended ended = launched(options);
  EXPECT_EQ(ended.status, 0);
  EXPECT_EQ(read_file(tries), "0\n1\n2\n");
  EXPECT_THAT(ended.said, AllOf(HasSubstr("starting again (1 of 2)"), HasSubstr("starting again (2 of 2)"),
                                HasSubstr("rank0 (process"), HasSubstr("ended with exit status 7")));

  std::filesystem::remove(tries);
  options = shell(counted(tries, "exit 7"));
  options.max_restarts = 1;
  ended = launched(options);
  EXPECT_EQ(ended.status, 7);
  EXPECT_EQ(read_file(tries), "0\n1\n");
  EXPECT_THAT(ended.said, HasSubstr("1 restart(s) were allowed and are used up"));

  std::filesystem::remove(tries);
  options.max_restarts = 0;
  EXPECT_EQ(launched(options).status, 7);
  EXPECT_EQ(read_file(tries), "0\n");
}

TEST(Agent, AMistakeInTheCallIsNotTriedAgain) {
  const TemporaryFolder folder;
  LaunchOptions options = shell(counted(folder / "tries", "exit 2"));
  options.max_restarts = 3;
  const Ended ended = launched(options);
  EXPECT_EQ(ended.status, 2);
  EXPECT_EQ(read_file(folder / "tries"), "0\n");
  EXPECT_THAT(ended.said, HasSubstr("not started again"));
}

TEST(Agent, AProcessThatASignalEndedHasItsStatus) {
  const Ended ended = launched(shell("kill -9 $$"));
  EXPECT_EQ(ended.status, 128 + SIGKILL);
  EXPECT_THAT(ended.said, HasSubstr("signal 9"));
}

/// Runs a script that fails with `message` in its error file, once a checkpoint of step `saved` ("": none) stands in
/// the store; the tries that were made.
std::string tries_of(const std::string& message, const std::string& saved, std::string* said = nullptr) {
  const TemporaryFolder folder;
  const std::string tries = folder / "tries", ready = folder / "ready";
  LaunchOptions options =
      shell(counted(tries, "while [ ! -e " + ready + " ]; do sleep 0.02; done; echo '{\"message\": \"" + message +
                               "\"}' > $TORCHELASTIC_ERROR_FILE; exit 1"));
  options.max_restarts = 2;
  options.master_port = free_port();
  options.run_id = "again";
  std::thread rank_0([&] {
    StoreClient store({"127.0.0.1", options.master_port}, milliseconds(10000));
    if (!saved.empty()) store.set(saved_step_key("again"), saved);
    std::ofstream(ready) << "1";
  });
  const Ended ended = launched(options);
  rank_0.join();
  EXPECT_EQ(ended.status, 1);
  if (said) *said = ended.said;
  return read_file(tries);
}

TEST(Agent, TheSameFailureWithoutProgressIsNotTriedAThirdTime) {
  std::string said;
  EXPECT_EQ(tries_of("same words", "40", &said), "0\n1\n");
  EXPECT_THAT(said, AllOf(HasSubstr("the same failure as in the try before, and no checkpoint since that of step 40"),
                          HasSubstr("rank0 said: same words")));
  EXPECT_EQ(tries_of("same words", "-1", &said), "0\n1\n");
  EXPECT_THAT(said, HasSubstr("no checkpoint yet"));
  // Of a program that says nothing of its checkpoints nobody knows whether it got further.
  EXPECT_EQ(tries_of("same words", ""), "0\n1\n2\n");
  EXPECT_EQ(tries_of("words of $TORCHELASTIC_RESTART_COUNT'$TORCHELASTIC_RESTART_COUNT'", "40"), "0\n1\n2\n");
}

TEST(Agent, FailuresOfOneKindWithoutProgressEndAfterThree) {
  RepeatedFailure crashes, moves, words;
  const std::string crash = "rank0 on node 0 ended with signal 11 (Segmentation fault)";
  EXPECT_EQ(crashes.hopeless("", crash, "7"), "");
  EXPECT_EQ(crashes.hopeless("", crash, "7"), "");
  EXPECT_EQ(crashes.hopeless("", crash, "7"), "the third failure of its kind, and no checkpoint since that of step 7");
  for (const std::string saved : {"1", "1", "2", "2", "3"}) EXPECT_EQ(moves.hopeless("", crash, saved), "");
  for (int i = 0; i < 5; ++i) EXPECT_EQ(RepeatedFailure().hopeless("", crash, ""), "");
  // Numbers that change from try to try do not make it another failure; words that do make it one.
  EXPECT_EQ(words.hopeless("out of memory: 17 bytes are in use", "", "-1"), "");
  EXPECT_EQ(words.hopeless("out of memory: 18 bytes are in use", "", "-1"), "");
  EXPECT_EQ(words.hopeless("rank 1 closed its connection", "", "-1"), "");
  EXPECT_EQ(words.hopeless("out of memory: 19 bytes are in use", "", "-1"), "");
  EXPECT_EQ(words.hopeless("out of memory: 20 bytes are in use", "", "-1"), "");
  EXPECT_EQ(words.hopeless("out of memory: 21 bytes are in use", "", "-1"),
            "the third failure of its kind, and no checkpoint yet");
}

TEST(Agent, TheEarliestNoteIsTheCause) {
  const std::string note =
      "printf '{\"message\": {\"message\": \"%s\", \"extraInfo\": {\"timestamp\": \"%s\"}}}' \"$1\" \"$2\" > "
      "$TORCHELASTIC_ERROR_FILE; while [ $(ls $(dirname $TORCHELASTIC_ERROR_FILE)/*.json | wc -l) -lt 3 ]; do sleep "
      "0.05; "
      "done; sleep 0.2; exit 5";
  for (const std::string first : {"0", "1", "2"}) {
    LaunchOptions options = shell("", 3);
    options.command = {"sh", "-c",
                       "[ $RANK = " + first + " ] && set -- 'the cause' 100 || set -- 'a consequence' 200; " + note};
    const Ended ended = launched(options);
    EXPECT_EQ(ended.status, 5);
    EXPECT_THAT(ended.said, HasSubstr("rank" + first + " said: the cause"));
  }
}

TEST(Agent, WhoDoesNotStopIsKilledAfterTheGrace) {
  const TemporaryFolder folder;
  const std::string ready = folder / "ready";
  LaunchOptions options =
      shell("if [ $RANK = 1 ]; then while [ ! -e " + ready + " ]; do sleep 0.02; done; exit 3; fi; " +
                "trap '' TERM; echo > " + ready + "; sleep 30",
            2);
  options.grace = milliseconds(1000);
  const auto start = std::chrono::steady_clock::now();
  const Ended ended = launched(options);
  EXPECT_EQ(ended.status, 3);
  EXPECT_LT(seconds_since(start), 15);
  EXPECT_THAT(ended.said, HasSubstr("rank0 did not stop within 1 s and is killed"));
}

/// Sends a signal to the thread that launches, once the processes have said that they are there.
Ended signalled(LaunchOptions options, int number, int processes) {
  const TemporaryFolder folder;
  options.command[2] = options.command[2] + "; echo > " + folder.path() + "/$RANK; while :; do sleep 0.05; done";
  const pthread_t launcher = pthread_self();
  std::thread sender([&, launcher] {
    for (int rank = 0; rank < processes; ++rank)
      for (int i = 0; i < 500 && !std::filesystem::exists(folder / std::to_string(rank)); ++i)
        std::this_thread::sleep_for(milliseconds(20));
    pthread_kill(launcher, number);
  });
  const Ended ended = launched(options);
  sender.join();
  return ended;
}

TEST(Agent, SignalsArePassedOnAndAreTheStatus) {
  for (const auto& [number, name] : {std::pair{SIGTERM, "TERM"}, {SIGINT, "INT"}}) {
    LaunchOptions options = shell(std::string("trap 'echo got it; exit 0' ") + name, 2);
    options.max_restarts = 3;
    const Ended ended = signalled(options, number, 2);
    EXPECT_EQ(ended.status, 128 + number) << ended.said;
    EXPECT_THAT(ended.out, AllOf(HasSubstr("[rank0] got it"), HasSubstr("[rank1] got it")));
    EXPECT_THAT(ended.said, Not(HasSubstr("starting again")));
  }
}

TEST(Agent, AHangUpIsATermination) {
  EXPECT_EQ(signalled(shell("trap 'exit 0' TERM"), SIGHUP, 1).status, 128 + SIGTERM);
}

TEST(Agent, AWarningIsPassedOnAndWhoEndsByItHasNotFailed) {
  LaunchOptions options = shell("trap 'echo saved; exit 138' USR1; trap 'sleep 0.2; echo too; exit 0' TERM", 2);
  options.max_restarts = 3;
  const Ended ended = signalled(options, SIGUSR1, 2);
  EXPECT_EQ(ended.status, 128 + SIGUSR1) << ended.said;
  EXPECT_THAT(ended.out, HasSubstr("saved"));
  EXPECT_THAT(ended.said, Not(HasSubstr("starting again")));
}

TEST(Agent, AProgramThatIsNotThereIsAMistake) {
  LaunchOptions options = shell("");
  options.command = {"/no/such/program"};
  EXPECT_THROW(launch(options), UsageError);
}

}  // namespace
}  // namespace bevgrad
