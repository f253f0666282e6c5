// Flags of `bevgrad run`: which of them wins, what is there without them, and how a mistake is told.
#include "base/version.h"
#include "launched_runs.h"
#include "support/paths.h"

namespace bevgrad {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

Words with(Words words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

/// One line and the status of a mistake in the call.
std::string mistake(const Words& arguments) {
  std::string output;
  EXPECT_EQ(run(with({testing::bevgrad_binary()}, arguments), &output), 2) << output;
  EXPECT_EQ(std::count(output.begin(), output.end(), '\n'), 1) << output;
  EXPECT_THAT(output, ::testing::StartsWith("bevgrad: "));
  return output;
}

TEST(RunFlags, TheVersionIsSaid) {
  std::string output;
  EXPECT_EQ(run({testing::bevgrad_binary(), "--version"}, &output), 0);
  EXPECT_EQ(output, fmt::format("bevgrad {}\n", kVersion));
}

TEST(RunFlags, NothingOfAMessageControlsTheTerminal) {
  const std::string output = mistake({"run", "--config", "a\x1b[31m\nb"});
  EXPECT_THAT(output, AllOf(Not(HasSubstr("\x1b")), HasSubstr("\\x1b[31m b")));
}

TEST(RunFlags, WhatDoesNotGoTogetherOrIsNotThereIsNamed) {
  const Words here = {"run", "--config", "mini_step1", "--work-dir", path("flags_none")};
  EXPECT_THAT(mistake(with(here, {"--state", "val", "--resume", "auto"})), HasSubstr("--resume: only a training"));
  EXPECT_THAT(mistake(with(here, {"--resume", "/no/such.h5"})), HasSubstr("--resume: there is no file /no/such.h5"));
  EXPECT_THAT(mistake(with(here, {"--resume", TinyData::get().root()})), HasSubstr("--resume: there is no file"));
  EXPECT_THAT(mistake(with(here, {"--ckpt", TinyData::get().root()})), HasSubstr("--ckpt: there is no file"));
  EXPECT_THAT(mistake(with(here, {"--state", "val"})), AllOf(HasSubstr("--ckpt is missing"), HasSubstr("step1.ckpt")));
  EXPECT_THAT(mistake(with(here, {"--device", "cuda:-1"})), HasSubstr("expected cpu, cuda or cuda:<number>"));
  EXPECT_THAT(mistake(with(here, {"--threads", "4097"})), HasSubstr("--threads"));
  EXPECT_FALSE(fs::exists(path("flags_none") + "/checkpoints"));
}

TEST(RunFlags, ACheckpointOfTheCallGoesBeforeTheConfigs) {
  const std::string first = path("flags_first"), second = path("flags_second");
  ASSERT_EQ(run(tiny_run(first, steps(2, 2))), 0);
  std::string output;
  ASSERT_EQ(run(with(tiny_run(second, steps(1, 2, {"train.float_pretrain=/no/such.ckpt", "train.base_lr=1e-30"})),
                     {"--ckpt", first + "/step1.ckpt"}),
                &output),
            0)
      << output;
  EXPECT_THAT(output, HasSubstr(first + "/step1.ckpt"));
  // With so small a rate the weights are those of the file.
  const Checkpoint begun = last_checkpoint(second, 1), given = last_checkpoint(first, 2);
  for (size_t i = 0; i < given.state_dict.size(); ++i) {
    const auto& [name, tensor] = given.state_dict[i];
    if (name.ends_with(".weight")) {
      EXPECT_EQ(begun.state_dict[i].second.to_vector(), tensor.to_vector()) << name;
    }
  }
}

TEST(RunFlags, WithoutAFolderOneIsNamedAfterTheConfig) {
  const std::string here = path("flags_here");
  fs::create_directories(here);
  Words words = tiny_run("unused", steps(1, 2));
  const auto flag = std::find(words.begin(), words.end(), "--work-dir");
  words.erase(flag, flag + 2);
  std::string command = "cd '" + here + "' && exec";
  for (const std::string& word : words) command += " '" + word + "'";
  ASSERT_EQ(run({"sh", "-c", command}), 0);
  EXPECT_TRUE(fs::exists(here + "/work_dirs/mini_step1/checkpoints/step_00000001.h5"));
}

TEST(RunFlags, AValidationTakesTheFoldersCheckpointAndLeavesItsConfig) {
  const std::string folder = path("flags_val");
  ASSERT_EQ(run(tiny_run(folder, steps(1, 2))), 0);
  const std::string config = read_text(folder + "/config.prototxt");
  std::string output;
  ASSERT_EQ(run(with(tiny_run(folder, {"eval.max_samples=2", "eval.eval_with_visualize=false", "seed=9"}),
                     {"--state", "val"}),
                &output),
            0)
      << output;
  EXPECT_THAT(output, HasSubstr("step1.ckpt"));
  EXPECT_TRUE(fs::exists(folder + "/metrics.json"));
  EXPECT_EQ(read_text(folder + "/config.prototxt"), config);
}

}  // namespace
}  // namespace bevgrad
