// Whole runs on two machines.
#include "tools/launched_runs.h"

namespace bevgrad {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

/// Two machines: network namespaces with a cable between them.
class TwoMachines : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string make =
        "ip netns add bevgrad_a && ip netns add bevgrad_b && "
        "ip link add bevgrad_va netns bevgrad_a type veth peer name bevgrad_vb netns bevgrad_b && "
        "ip -n bevgrad_a addr add 10.77.0.1/24 dev bevgrad_va && ip -n bevgrad_b addr add 10.77.0.2/24 dev bevgrad_vb "
        "&& "
        "for n in a b; do ip -n bevgrad_$n link set lo up; ip -n bevgrad_$n link set bevgrad_v$n up; done";
    if (std::system(("(" + make + ") >/dev/null 2>&1").c_str()) != 0)
      GTEST_SKIP() << "SKIPPED: two network namespaces need root and iproute2";
  }
  void TearDown() override { std::system("ip netns del bevgrad_a 2>/dev/null; ip netns del bevgrad_b 2>/dev/null"); }
  static Words on(const std::string& machine, int node, const Words& program, const Words& more = {}) {
    Words words = {"ip", "netns", "exec", "bevgrad_" + machine};
    Words flags = {"--nnodes", "2", "--node-rank", std::to_string(node), "--rdzv-endpoint", "10.77.0.1:29533"};
    flags.insert(flags.end(), more.begin(), more.end());
    const Words launch = launched(1, program, flags);
    words.insert(words.end(), launch.begin(), launch.end());
    return words;
  }
};

TEST_F(TwoMachines, TrainTogetherAndOneIsStartedAgain) {
  const std::string work_dir = path("machines");
  const Words program = tiny_run(work_dir, kLong);
  Running a(on("a", 0, program, {"--max-restarts", "1"})), b(on("b", 1, program, {"--max-restarts", "1"}));
  ASSERT_TRUE(a.wait_for("train 5/12")) << a.output() << b.output();
  const std::vector<pid_t> ranks = children_of(b.process());
  ASSERT_EQ(ranks.size(), 1u);
  kill(ranks[0], SIGKILL);
  EXPECT_EQ(a.finish(), 0) << a.output();
  EXPECT_EQ(b.finish(), 0) << b.output();
  EXPECT_THAT(a.output(), HasSubstr("rank1 on node 1 ended with signal 9"));
  expect_same_bits(last_checkpoint(unbroken(), 12), last_checkpoint(work_dir, 12));
}

TEST_F(TwoMachines, ACutCableEndsBoth) {
  Words sets = kLong;
  sets.push_back("distributed.timeout=2");
  const Words program = tiny_run(path("cable"), sets);
  Running a(on("a", 0, program, {"--timeout", "6"})), b(on("b", 1, program, {"--timeout", "6"}));
  ASSERT_TRUE(a.wait_for("train 3/12")) << a.output() << b.output();
  std::system("ip -n bevgrad_a link set bevgrad_va down");
  const auto start = std::chrono::steady_clock::now();
  EXPECT_NE(a.finish(), 0);
  EXPECT_NE(b.finish(), 0);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(60));
  EXPECT_THAT(a.output(), AllOf(HasSubstr("rank 0 at step"), HasSubstr("rank 1")));
  // Either the rank misses its peer first, or its launcher the other one.
  EXPECT_THAT(b.output(), ::testing::AnyOf(AllOf(HasSubstr("rank 1 at step"), HasSubstr("rank 0")),
                                           HasSubstr("the launcher of node 0 is gone")));
}

}  // namespace
}  // namespace bevgrad
