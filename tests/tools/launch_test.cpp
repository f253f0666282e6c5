// The launcher itself: its variables, its arguments, its output, and what it leaves of its processes.
#include "support/paths.h"
#include "tools/launched_runs.h"

namespace bevgrad {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(Launch, WrongVariablesAreNamedOneByOne) {
  const Variables right = {{"RANK", "0"},
                           {"LOCAL_RANK", "0"},
                           {"WORLD_SIZE", "2"},
                           {"LOCAL_WORLD_SIZE", "2"},
                           {"MASTER_ADDR", "127.0.0.1"},
                           {"MASTER_PORT", "29511"}};
  const Words words = tiny_run(path("variables"), steps(2, 1, {"distributed.timeout=1"}));
  for (const auto& [name, value] : right) {
    for (const std::string wrong : {"", "x", "-1", "99999999999"}) {
      if (name == "MASTER_ADDR" && wrong != "") continue;
      Variables variables;
      for (const auto& [other, kept] : right) variables.emplace_back(other, other == name ? wrong : kept);
      std::string output;
      EXPECT_EQ(run(words, &output, variables), 2) << name << "=" << wrong;
      EXPECT_THAT(output, HasSubstr(name));
    }
  }
}

TEST(Launch, MistakesInTheCall) {
  std::string output;
  EXPECT_EQ(run({testing::bevgrad_binary(), "launch", "--nproc-per-node", "0", "--", "true"}, &output), 2);
  EXPECT_THAT(output, HasSubstr("--nproc-per-node"));
  EXPECT_EQ(run({testing::bevgrad_binary(), "launch", "--nproc_per_node", "2"}, &output), 2);
  EXPECT_THAT(output, HasSubstr("PROGRAM"));
  EXPECT_EQ(run(launched(1, {"/no/such/program"}), &output), 2);
  EXPECT_THAT(output, HasSubstr("/no/such/program"));
  EXPECT_EQ(run(launched(2, {"true"}, {"--nnodes", "1:4"}), &output), 2);
  EXPECT_EQ(run(launched(2, {"true"}, {"--nnodes", "2", "--node-rank", "2"}), &output), 2);
  EXPECT_EQ(run(launched(2, {"sh", "-c", "exit 7"}), &output), 7);
  EXPECT_THAT(output, HasSubstr("exit status 7"));
}

TEST(Launch, OutputHasPrefixesAndGoesToFiles) {
  const std::string folder = path("logs");
  std::string output;
  ASSERT_EQ(run(launched(2, {"sh", "-c", "echo I am $RANK of $WORLD_SIZE; echo bad $LOCAL_RANK >&2; printf unfinished"},
                         {"--log-dir", folder}),
                &output),
            0);
  EXPECT_THAT(output, AllOf(HasSubstr("[rank0] I am 0 of 2\n"), HasSubstr("[rank1] I am 1 of 2\n"),
                            HasSubstr("[rank1] bad 1\n"), HasSubstr("[rank0] unfinished\n")));
  EXPECT_EQ(read_text(folder + "/attempt_0/rank1.out"), "I am 1 of 2\nunfinished\n");
  EXPECT_EQ(read_text(folder + "/attempt_0/rank1.err"), "bad 1\n");
}

TEST(Launch, TheErrorFileOfTheFirstToFailIsShown) {
  std::string output;
  const std::string script =
      "if [ $RANK = 1 ]; then echo '{\"message\": {\"message\": \"the real cause\", \"extraInfo\": {\"timestamp\": "
      "\"100\"}}}' "
      "> $TORCHELASTIC_ERROR_FILE; sleep 0.3; exit 3; else sleep 20; fi";
  EXPECT_EQ(run(launched(2, {"sh", "-c", script}), &output), 3);
  EXPECT_THAT(output, AllOf(HasSubstr("rank1"), HasSubstr("exit status 3"), HasSubstr("the real cause")));
}

TEST(Launch, ChildrenOfChildrenGoToo) {
  const std::string file = path("grandchild");
  std::string output;
  EXPECT_EQ(run(launched(2, {"sh", "-c",
                             "sleep 1000 & echo $! > " + file + ".$RANK; if [ $RANK = 0 ]; then while [ ! -s " + file +
                                 ".1 ]; do sleep 0.05; done; exit 4; fi; wait"}),
                &output),
            4);
  for (const std::string rank : {"0", "1"}) {
    const pid_t child = std::atoi(read_text(file + "." + rank).c_str());
    ASSERT_GT(child, 1);
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    EXPECT_TRUE(read_text(fmt::format("/proc/{}/cmdline", child)).empty());
  }
}

}  // namespace
}  // namespace bevgrad
