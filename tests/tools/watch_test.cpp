// bevgrad watch and bevgrad serve as a person uses them.
#include "tools/launched_runs.h"

namespace bevgrad {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(Watch, APipeGetsOnePlainView) {
  std::string output;
  EXPECT_EQ(run({testing::bevgrad_binary(), "watch", run_of_one()}, &output), 0);
  EXPECT_THAT(output, AllOf(HasSubstr("one: done"), HasSubstr("step 6 of 6 (100%)"), HasSubstr("train/loss"),
                            HasSubstr("rank 0"), Not(HasSubstr("\033"))));
  std::string once;
  EXPECT_EQ(run({testing::bevgrad_binary(), "watch", "--once", run_of_one()}, &once), 0);
  EXPECT_THAT(once, HasSubstr("step 6 of 6"));
}

// On a terminal of its own (script(1) makes one) it redraws until the run has ended.
TEST(Watch, ATerminalIsRedrawnUntilTheRunEnds) {
  if (std::system("command -v script >/dev/null") != 0) GTEST_SKIP() << "SKIPPED: there is no script(1)";
  const std::string work_dir = path("watched_live");
  Running training(tiny_run(work_dir, steps(40, 1)));
  ASSERT_TRUE(training.wait_for("train 2/40")) << training.output();
  Running view(
      {"script", "-qec", fmt::format("{} watch --interval 0.2 {}", testing::bevgrad_binary(), work_dir), "/dev/null"});
  EXPECT_EQ(view.finish(), 0) << view.output();
  EXPECT_EQ(training.finish(), 0);
  EXPECT_THAT(view.output(), AllOf(HasSubstr("\033[2J"), HasSubstr("running"), HasSubstr("ETA"), HasSubstr("done")));
}

TEST(Watch, MistakesInTheCall) {
  std::string output;
  EXPECT_EQ(run({testing::bevgrad_binary(), "watch"}, &output), 2);
  EXPECT_EQ(run({testing::bevgrad_binary(), "watch", "/no/such/run"}, &output), 2);
  EXPECT_THAT(output, HasSubstr("/no/such/run"));
  EXPECT_EQ(run({testing::bevgrad_binary(), "serve", "/no/such/run"}, &output), 2);
  EXPECT_THAT(output, HasSubstr("/no/such/run"));
  EXPECT_EQ(run({testing::bevgrad_binary(), "serve", "--port", "0", "."}, &output), 2);
  EXPECT_THAT(output, HasSubstr("--port"));
}

TEST(Serve, PrintsAnAddressThatABrowserCanOpen) {
  if (std::system("command -v curl >/dev/null") != 0) GTEST_SKIP() << "SKIPPED: there is no curl";
  Running server({testing::bevgrad_binary(), "serve", run_of_one()});
  ASSERT_TRUE(server.wait_for("ssh -L")) << server.output();
  const std::string said = server.output();
  const size_t at = said.find("http://");
  const std::string address = said.substr(at, said.find('\n') - at);
  const std::string jar = path("cookies.txt"), base = address.substr(0, address.find('?'));
  std::string output;
  // The page first: it leaves the cookie with which all else is asked for.
  EXPECT_EQ(run({"curl", "-sf", "-c", jar, address}, &output), 0);
  EXPECT_THAT(output, HasSubstr("<h1>Trainings"));
  EXPECT_EQ(run({"curl", "-sf", "-b", jar, base + "runs.json"}, &output), 0);
  EXPECT_THAT(output, HasSubstr("\"state\":\"done\""));
  EXPECT_EQ(run({"curl", "-sf", base + "runs.json"}, &output),
            22);  // no cookie, no token
  kill(server.process(), SIGINT);
  EXPECT_EQ(server.finish(), 0);
}

}  // namespace
}  // namespace bevgrad
