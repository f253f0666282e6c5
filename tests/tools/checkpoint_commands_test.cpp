// convert, inspect, compare and merge as a user and a script meet them: exit statuses, what is overwritten, streams.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/error.h"
#include "support/paths.h"

namespace bevgrad {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

namespace fs = std::filesystem;

std::string golden(const std::string& name) {
  return testing::source_dir() + "/tests/golden/formats/" + name;
}

/// A folder of this test that is empty.
std::string fresh_folder() {
  std::string pattern = (fs::temp_directory_path() / "bevgrad_commands_XXXXXX").string();
  return ::mkdtemp(pattern.data());
}

struct Outcome {
  int status = -1;
  std::string text;  // of both streams
};

/// Runs a line of the shell in which `bevgrad` stands for the executable.
Outcome shell(std::string line) {
  constexpr std::string_view kName = "bevgrad ";
  for (size_t at = line.find(kName); at != std::string::npos; at = line.find(kName, at + 1)) {
    const std::string program = "'" + testing::bevgrad_binary() + "' ";
    line.replace(at, kName.size(), program);
    at += program.size();
  }
  FILE* stream = ::popen(("{ " + line + "; } 2>&1").c_str(), "r");
  Outcome out;
  char buffer[4096];
  for (size_t got = 0; (got = std::fread(buffer, 1, sizeof buffer, stream)) > 0;) out.text.append(buffer, got);
  const int status = ::pclose(stream);
  out.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return out;
}

TEST(CheckpointCommands, WhatIsThereIsOverwrittenWithForceOnly) {
  const std::string folder = fresh_folder();
  const std::string command = fmt::format("bevgrad convert {} {}/a.h5", golden("zip_views.pt"), folder);
  EXPECT_EQ(shell(command).status, 0);
  const Outcome again = shell(command);
  EXPECT_EQ(again.status, 2);
  EXPECT_THAT(again.text, HasSubstr("a.h5: it is there already (--force overwrites it)"));
  EXPECT_EQ(shell(command + " --force").status, 0);
  const Outcome dry =
      shell(fmt::format("bevgrad convert {} {}/b.pt --dry-run --select 't*'", golden("zip_views.pt"), folder));
  EXPECT_EQ(dry.status, 0) << dry.text;
  EXPECT_THAT(dry.text, AllOf(HasSubstr("tail: float32 [4]"), HasSubstr("nothing was written")));
  EXPECT_FALSE(fs::exists(folder + "/b.pt"));
}

TEST(CheckpointCommands, GlobalsHaveAnExitStatus) {
  const std::string folder = fresh_folder();
  std::ofstream(folder + "/bad.pkl", std::ios::binary) << std::string("\x80\x02") + "cos\nsystem\nU\x02ls\x85R.";
  std::ofstream(folder + "/odd.pkl", std::ios::binary) << std::string("\x80\x02") + "cmylib\nThing\n)R.";
  EXPECT_EQ(shell("bevgrad inspect --globals " + golden("zip_lightning.ckpt")).status, 0);
  const Outcome bad = shell("bevgrad inspect --globals " + folder + "/bad.pkl");
  EXPECT_EQ(bad.status, 1);
  EXPECT_THAT(bad.text, AllOf(HasSubstr("HARMFUL"), HasSubstr("verdict: DANGEROUS")));
  EXPECT_EQ(shell("bevgrad inspect --globals " + folder + "/odd.pkl").status, 2);
  EXPECT_EQ(shell("bevgrad inspect --globals --json " + folder + "/bad.pkl").status, 1);
}

TEST(CheckpointCommands, ComparisonsHaveAnExitStatus) {
  const std::string folder = fresh_folder();
  const std::string h5 = folder + "/a.h5";
  ASSERT_EQ(shell("bevgrad convert " + golden("zip_lightning.ckpt") + " " + h5).status, 0);
  const Outcome same = shell("bevgrad compare " + golden("zip_lightning.ckpt") + " " + h5);
  EXPECT_EQ(same.status, 0) << same.text;
  const Outcome different =
      shell("bevgrad compare --json --top 3 " + golden("zip_lightning.ckpt") + " " + golden("zip_views.pt"));
  EXPECT_EQ(different.status, 1);
  EXPECT_THAT(different.text, HasSubstr("\"same\":false"));
}

TEST(CheckpointCommands, AFullOutputIsAnError) {
  if (!fs::exists("/dev/full")) GTEST_SKIP() << "SKIPPED: there is no /dev/full";
  const std::string file = golden("zip_views.pt");
  for (const std::string& command : {"inspect " + file, "inspect --json " + file, "inspect --globals " + file,
                                     "compare " + file + " " + file, std::string("--help")}) {
    const Outcome outcome = shell("bevgrad " + command + " > /dev/full");
    EXPECT_EQ(outcome.status, 1) << command;
  }
}

TEST(CheckpointCommands, TheStandardInputAndPipesAreFiles) {
  const std::string file = golden("zip_views.pt");
  const Outcome piped = shell("cat " + file + " | bevgrad inspect -");
  EXPECT_EQ(piped.status, 0) << piped.text;
  EXPECT_THAT(piped.text, HasSubstr("tail: float32 [4]"));
}

TEST(CheckpointCommands, ControlCharactersDoNotReachTheTerminal) {
  const Outcome outcome = shell("bevgrad inspect \"$(printf 'a\\033[31mb')\"");
  EXPECT_NE(outcome.status, 0);
  EXPECT_EQ(outcome.text.find('\033'), std::string::npos);
}

TEST(CheckpointCommands, AFileThatGrowsPastItsLimitLeavesNothing) {
  const std::string folder = fresh_folder();
  const Outcome outcome =
      shell(fmt::format("ulimit -f 1; bevgrad convert {} {}/x.h5", golden("torch_2_15_zip.pt"), folder));
  EXPECT_EQ(outcome.status, 1) << outcome.text;
  EXPECT_TRUE(fs::is_empty(folder));
}

TEST(CheckpointCommands, AChecksExitStatus) {
  EXPECT_EQ(shell("bevgrad inspect --check " + golden("zip_lightning.ckpt")).status, 0);
  EXPECT_EQ(shell("bevgrad inspect --tree --hash " + golden("zip_lightning.ckpt")).status, 2);
}

TEST(CheckpointCommands, AgainstNamesItsOwnFlag) {
  const Outcome outcome = shell("bevgrad convert --against nonsense " + golden("zip_views.pt") + " x.h5 --dry-run");
  EXPECT_EQ(outcome.status, 2);
  EXPECT_THAT(outcome.text, HasSubstr("--against"));
}

TEST(CheckpointCommands, PipesOnBothSides) {
  const std::string folder = fresh_folder();
  const std::string file = golden("zip_views.pt");
  for (const char* format : {"safetensors", "h5", "pt"}) {
    const Outcome piped =
        shell(fmt::format("cat {} | bevgrad convert - - --format {} > {}/out.{} && "
                          "cat {}/out.{} | bevgrad compare --only-tensors {} -",
                          file, format, folder, format, folder, format, file));
    EXPECT_EQ(piped.status, 0) << piped.text;
    EXPECT_THAT(piped.text, HasSubstr("-> standard output"));
  }
  EXPECT_THAT(shell("bevgrad convert " + file + " -").text, HasSubstr("expected --format"));
  EXPECT_EQ(shell("bevgrad convert " + file + " - --format pt > /dev/full").status, 1);
  EXPECT_EQ(shell("bevgrad compare - - < " + file).status, 2);
}

TEST(CheckpointCommands, EditInPlaceOrIntoAnotherFile) {
  const std::string folder = fresh_folder();
  ASSERT_EQ(shell(fmt::format("bevgrad convert {} {}/a.h5", golden("zip_lightning.ckpt"), folder)).status, 0);
  EXPECT_EQ(shell(fmt::format("bevgrad edit {}/a.h5 --drop x", folder)).status, 2) << "neither OUT nor --in-place";
  EXPECT_EQ(shell(fmt::format("bevgrad edit {}/a.h5 b.h5 --in-place --drop x", folder)).status, 2) << "both";
  const Outcome done = shell(fmt::format("bevgrad edit {}/a.h5 --in-place --drop nothing", folder));
  EXPECT_EQ(done.status, 1);
  EXPECT_THAT(done.text, HasSubstr("nothing in it was to be changed"));
  const Outcome asked = shell(fmt::format("bevgrad edit {}/a.h5 --in-place --drop 'state_dict.*' --dry-run", folder));
  EXPECT_EQ(asked.status, 0) << asked.text;
  EXPECT_THAT(asked.text, HasSubstr("nothing was written"));
  EXPECT_EQ(shell(fmt::format("bevgrad edit {}/a.h5 --in-place --drop 'state_dict.*'", folder)).status, 0);
  const Outcome again = shell(fmt::format("bevgrad edit {}/a.h5 --in-place --drop 'state_dict.*'", folder));
  EXPECT_THAT(again.text, HasSubstr("--drop state_dict.*: no place matches"));
}

TEST(CheckpointCommands, EditMergeAndTheOtherViews) {
  const std::string folder = fresh_folder();
  const std::string file = golden("zip_lightning.ckpt");
  const Outcome edited =
      shell(fmt::format("bevgrad edit {} {}/e.pt --drop optimizer_states --drop nothing", file, folder));
  EXPECT_EQ(edited.status, 0) << edited.text;
  EXPECT_THAT(edited.text,
              AllOf(HasSubstr("dropped: optimizer_states"), HasSubstr("--drop nothing: no place matches")));
  EXPECT_EQ(shell(fmt::format("bevgrad edit {} {}/f.pt --drop nothing", file, folder)).status, 1);
  EXPECT_FALSE(fs::exists(folder + "/f.pt"));
  const Outcome beside = shell(fmt::format("bevgrad inspect {} {}/e.pt", file, folder));
  EXPECT_EQ(beside.status, 0) << beside.text;
  EXPECT_THAT(beside.text, HasSubstr("< optimizer_states"));
  const Outcome page = shell(fmt::format("bevgrad inspect {} {}/e.pt --html {}/page.html", file, folder, folder));
  EXPECT_EQ(page.status, 0) << page.text;
  EXPECT_GT(fs::file_size(folder + "/page.html"), 4000u);
  EXPECT_EQ(shell(fmt::format("bevgrad inspect {} --html {}/page.html", file, folder)).status, 2) << "it is there";
  const Outcome lora = shell(fmt::format("bevgrad merge {0}/e.pt --lora {0}/e.pt -o {0}/l.pt", folder));
  EXPECT_EQ(lora.status, 1);
  EXPECT_THAT(lora.text, HasSubstr("no factor of a low-rank adapter"));
  EXPECT_EQ(shell(fmt::format("bevgrad merge {0}/e.pt --join megatron --weights 1 -o {0}/l.pt", folder)).status, 2);
  const Outcome one = shell(fmt::format("bevgrad merge {0}/e.pt {0}/e.pt --join megatron -o {0}/j.pt", folder));
  EXPECT_EQ(one.status, 0) << one.text;
}

TEST(CheckpointCommands, AFolderHasOneVerdict) {
  const std::string folder = fresh_folder();
  fs::create_directories(folder + "/below");
  fs::copy_file(golden("zip_lightning.ckpt"), folder + "/below/a.ckpt");
  std::ofstream(folder + "/README.md") << "# Words\n";
  const Outcome summary = shell("bevgrad inspect " + folder);
  EXPECT_EQ(summary.status, 0) << summary.text;
  EXPECT_THAT(summary.text, HasSubstr("below/a.ckpt: PyTorch (zip)"));
  EXPECT_EQ(summary.text.find("README"), std::string::npos);
  EXPECT_EQ(shell("bevgrad inspect --globals " + folder).status, 0);
  std::ofstream(folder + "/odd.pkl", std::ios::binary) << std::string("\x80\x02") + "cmylib\nThing\n)R.";
  EXPECT_EQ(shell("bevgrad inspect --globals " + folder).status, 2);
  std::ofstream(folder + "/bad.pkl", std::ios::binary) << std::string("\x80\x02") + "cos\nsystem\nU\x02ls\x85R.";
  EXPECT_EQ(shell("bevgrad inspect --globals " + folder).status, 1);
  EXPECT_EQ(shell("bevgrad inspect --check " + folder + "/below").status, 0);
  EXPECT_EQ(shell("bevgrad inspect --hash " + folder).status, 2);
}

/// Nothing but reading and writing the named files: no process, no socket, no file that a checkpoint names.
TEST(CheckpointCommands, ReadingActsOnNothing) {
  if (std::system("strace -V > /dev/null 2>&1") != 0) GTEST_SKIP() << "SKIPPED: strace is not there";
  const std::string folder = fresh_folder();
  const std::string trace = folder + "/trace";
  for (const char* name : {"structure_circles.pt", "distributed", "zero3", "arrays.npz", "structure_attributes.h5",
                           "special.pt", "quantized.gguf", "keras.h5"}) {
    const Outcome outcome =
        shell(fmt::format("GOMP_SPINCOUNT=0 strace -f -o {} -e trace=execve,fork,vfork,socket,connect,unlink,rename "
                          "bevgrad convert {} {}/{}.pt",
                          trace, golden(name), folder, name));
    ASSERT_EQ(outcome.status, 0) << outcome.text;
    std::ifstream lines(trace);
    int programs = 0;
    for (std::string line; std::getline(lines, line);) {
      programs += line.find("execve(") != std::string::npos ? 1 : 0;
      EXPECT_EQ(line.find("socket("), std::string::npos) << line;
      EXPECT_EQ(line.find("connect("), std::string::npos) << line;
      EXPECT_EQ(line.find("vfork("), std::string::npos) << line;
    }
    EXPECT_EQ(programs, 1);
  }
}

}  // namespace
}  // namespace bevgrad
