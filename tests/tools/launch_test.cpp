// The launcher itself: its variables, its arguments, its output, and what it leaves of its processes.
#include "launched_runs.h"
#include "support/paths.h"

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
  const std::string logs = only_folder_in(folder);
  EXPECT_THAT(fs::path(logs).filename().string(), ::testing::StartsWith("none_"));
  EXPECT_EQ(read_text(logs + "/attempt_0/1/stdout.log"), "I am 1 of 2\nunfinished\n");
  EXPECT_EQ(read_text(logs + "/attempt_0/1/stderr.log"), "bad 1\n");
}

TEST(Launch, StreamsGoWhereTheyAreSent) {
  const auto output_with = [](const Words& flags, std::string* logs = nullptr) {
    static int number = 0;
    const std::string folder = path(fmt::format("streams_{}", number++));
    Words all = flags;
    all.insert(all.end(), {"--log-dir", folder});
    std::string output;
    EXPECT_EQ(run(launched(2, {"sh", "-c", "echo out $RANK; echo err $RANK >&2"}, all), &output), 0);
    if (logs) *logs = only_folder_in(folder);
    return output;
  };
  std::string logs;
  EXPECT_THAT(output_with({"--redirects", "3"}, &logs), ::testing::Not(HasSubstr("] ")));
  EXPECT_EQ(read_text(logs + "/attempt_0/0/stdout.log"), "out 0\n");
  EXPECT_EQ(read_text(logs + "/attempt_0/1/stderr.log"), "err 1\n");
  const std::string tee = output_with({"--tee", "0:3,1:2", "--redirects", "1:1"}, &logs);
  EXPECT_THAT(tee, AllOf(HasSubstr("[rank0] out 0"), HasSubstr("[rank0] err 0"), HasSubstr("[rank1] err 1"),
                         ::testing::Not(HasSubstr("out 1"))));
  EXPECT_EQ(read_text(logs + "/attempt_0/1/stdout.log"), "out 1\n");
  const std::string filtered = output_with({"--local-ranks-filter", "1"}, &logs);
  EXPECT_THAT(filtered, AllOf(HasSubstr("[rank1] out 1"), ::testing::Not(HasSubstr("[rank0]"))));
  EXPECT_EQ(read_text(logs + "/attempt_0/0/stdout.log"), "out 0\n");
  std::string output;
  EXPECT_EQ(run(launched(2, {"true"}, {"--redirects", "4"}), &output), 2);
  EXPECT_THAT(output, HasSubstr("--redirects: \"4\""));
}

TEST(Launch, UnknownFlagsAreNamed) {
  const auto said = [](const Words& words) {
    Words all = {testing::bevgrad_binary(), "launch"};
    all.insert(all.end(), words.begin(), words.end());
    std::string output;
    EXPECT_EQ(run(all, &output), 2) << output;
    EXPECT_EQ(std::count(output.begin(), output.end(), '\n'), 1) << output;
    return output;
  };
  EXPECT_THAT(said({"--nproc-per-nod", "2", "--", "true"}),
              AllOf(HasSubstr("--nproc-per-nod"), HasSubstr("did you mean \"--nproc-per-node\"")));
  EXPECT_THAT(said({"--nproc-per-nod=2", "true"}), HasSubstr("did you mean"));
  for (const char* flag : {"--role", "--rdzv-conf", "--rdzv_conf=a", "--monitor_interval", "-m", "--run-path",
                           "--virtual-local-rank", "--local_addr"})
    EXPECT_THAT(said({flag, "x", "--", "true"}), AllOf(HasSubstr("torchrun"), HasSubstr("not offered")));
  EXPECT_THAT(said({"2", "--", "true"}), HasSubstr("unexpected \"2\""));
}

TEST(Launch, FilesThatRunOutAreNamedAndNoTimeIsSpent) {
  std::string output;
  const Words words = launched(4, tiny_run(path("few_files"), steps(2, 1, {"distributed.timeout=3"})));
  std::string command = "ulimit -n 24; exec";
  for (const std::string& word : words) command += " '" + word + "'";
  EXPECT_NE(run({"sh", "-c", command}, &output), 0);
  EXPECT_THAT(output, HasSubstr("(ulimit -n 24)"));
}

TEST(Launch, TheSameFailureAgainWithoutProgressEndsTheRestarts) {
  // A record that is damaged fails in the same way every time.
  std::string output;
  const Words words = tiny_run(path("again"), steps(4, 2, {"train.base_lr=1e30", "train.grad_clip_norm=1e30"}));
  EXPECT_EQ(run(launched(1, words, {"--max-restarts", "9"}), &output), 1);
  EXPECT_THAT(output, AllOf(HasSubstr("starting again (1 of 9)"), HasSubstr("the same failure as in the try before"),
                            ::testing::Not(HasSubstr("starting again (2 of 9)"))));
}

TEST(Launch, AMistakeInTheCallReachesTheErrorFile) {
  std::string output;
  EXPECT_EQ(run(launched(1, {testing::bevgrad_binary(), "run", "--config", "no_such_config"}), &output), 2);
  EXPECT_THAT(output, HasSubstr("rank0 said: "));
}

TEST(Launch, ProcessesAreCalledByTheirName) {
  Running running(launched(1, {"sleep", "20"}));
  for (int i = 0; i < 200 && children_of(running.process()).empty(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(read_text(fmt::format("/proc/{}/comm", running.process())), "bevgrad\n");
  kill(running.process(), SIGTERM);
  running.finish();
}

TEST(Launch, FoldersOfKilledLaunchersAreSwept) {
  const std::string folder = path("scratch");
  fs::create_directories(folder);
  {
    Running running(launched(1, {"sleep", "60"}), {{"TMPDIR", folder}});
    for (int i = 0; i < 200 && children_of(running.process()).empty(); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    Running beside(launched(1, {"true"}), {{"TMPDIR", folder}});
    EXPECT_EQ(beside.finish(), 0);
    EXPECT_NE(only_folder_in(folder), "") << "the one that is in use stays";
    kill(running.process(), SIGKILL);
    running.finish();
  }
  EXPECT_EQ(run(launched(1, {"true"}), nullptr, {{"TMPDIR", folder}}), 0);
  EXPECT_TRUE(fs::is_empty(folder));
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

TEST(Launch, ALauncherThatIsGoneIsNamedWhileAFailureIsDealtWith) {
  const std::string port = std::to_string(listen_on({"127.0.0.1", 0}).local().port);
  const auto node = [&](const std::string& rank, const std::string& script) {
    return launched(1, {"sh", "-c", script},
                    {"--nnodes", "2", "--node-rank", rank, "--master-addr", "127.0.0.1", "--master-port", port,
                     "--timeout", "4", "--max-restarts", "3"});
  };
  Running zero(node("0", "echo begun; sleep 3; exit 3")), one(node("1", "echo begun; sleep 60"));
  ASSERT_TRUE(one.wait_for("begun"));
  kill(one.process(), SIGKILL);
  EXPECT_NE(zero.finish(), 0);
  EXPECT_THAT(zero.output(), AllOf(HasSubstr("no sign of life from the launcher of node 1"),
                                   ::testing::Not(HasSubstr("has not stopped"))));
}

}  // namespace
}  // namespace bevgrad
