// `bevgrad run --seeds` and `--sweep`, and what `bevgrad report` makes of the runs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "base/files.h"
#include "support/paths.h"
#include "support/temporary_folder.h"
#include "train/tiny_run.h"

namespace bevgrad {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

struct Outcome {
  int status = -1;
  std::string text;  // of both streams
};

Outcome bevgrad(const std::string& arguments) {
  FILE* pipe = popen((testing::bevgrad_binary() + " " + arguments + " 2>&1").c_str(), "r");
  Outcome outcome;
  char buffer[4096];
  for (size_t count; (count = fread(buffer, 1, sizeof buffer, pipe)) > 0;) outcome.text.append(buffer, count);
  outcome.status = WEXITSTATUS(pclose(pipe));
  return outcome;
}

/// `bevgrad run` of a tiny config, with more arguments.
Outcome run(const std::string& arguments) {
  std::string all = "run --threads 1 --config mini_step1 --set 'data.root=" + TinyData::get().root() + "'";
  for (const std::string& set : tiny_settings()) all += " --set '" + set + "'";
  return bevgrad(all + " " + arguments);
}

TEST(SeveralRuns, SeedsAndSweepsAreRunsOfTheirOwn) {
  const testing::TemporaryFolder folder;
  const std::string work = folder / "several";
  const std::string several =
      "--set train.train_steps=2 --set eval.max_samples=2 --set eval.eval_with_visualize=false "
      "--seeds 1,2 --sweep train.base_lr=1e-3,2e-3 --work-dir " +
      work;
  const Outcome trained = run(several);
  ASSERT_EQ(trained.status, 0) << trained.text;
  for (const char* name : {"train.base_lr=1e-3,seed=1", "train.base_lr=2e-3,seed=2"}) {
    EXPECT_TRUE(std::filesystem::exists(work + "/" + name + "/step1.ckpt")) << name;
    EXPECT_THAT(trained.text, HasSubstr(name));
  }
  EXPECT_NE(read_file(work + "/train.base_lr=1e-3,seed=1/scalars.csv"),
            read_file(work + "/train.base_lr=1e-3,seed=2/scalars.csv"));
  EXPECT_THAT(read_file(work + "/train.base_lr=2e-3,seed=1/config.prototxt"), HasSubstr("base_lr: 0.002"));
  const Outcome validated = run("--state val " + several);
  ASSERT_EQ(validated.status, 0) << validated.text;
  // Both commands are kept, as a shell takes them.
  const std::string commands = read_file(work + "/command.txt");
  EXPECT_EQ(std::count(commands.begin(), commands.end(), '\n'), 2);
  EXPECT_THAT(commands, AllOf(HasSubstr("--seeds 1,2 --sweep train.base_lr=1e-3,2e-3\n"), HasSubstr("--state val ")));

  const Outcome report =
      bevgrad("report " + work + " --out " + work + "/report.html --markdown " + work + "/results.md");
  ASSERT_EQ(report.status, 0) << report.text;
  EXPECT_THAT(report.text, AllOf(HasSubstr("several train.base_lr=1e-3"), Not(HasSubstr("seed="))));
  EXPECT_THAT(read_file(work + "/report.html"), HasSubstr("\"spread\""));
  EXPECT_THAT(read_file(work + "/results.md"),
              AllOf(HasSubstr("| several train.base\\_lr=1e-3 | 2 |"), HasSubstr("    bevgrad run --state train")));
}

TEST(SeveralRuns, MistakesAreToldBeforeTheFirst) {
  const auto refused = [](const std::string& arguments) {
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.status, 2) << outcome.text;
    EXPECT_EQ(std::count(outcome.text.begin(), outcome.text.end(), '\n'), 1) << outcome.text;
    return outcome.text;
  };
  EXPECT_THAT(refused("--sweep train.base_lr"), HasSubstr("expected field=value,value"));
  EXPECT_THAT(refused("--sweep train.base_lr=1e-3,"), HasSubstr("a value is empty"));
  EXPECT_THAT(refused("--sweep train.base_lr=1e-3,-1"), HasSubstr("train.base_lr"));
  EXPECT_THAT(refused("--seeds 1,1"), HasSubstr("seed=1 comes twice"));
  EXPECT_THAT(refused("--seeds 1,2 --resume x.h5"), HasSubstr("expected auto"));
}

}  // namespace
}  // namespace bevgrad
