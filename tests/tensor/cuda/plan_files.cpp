// Plans of cuDNN on disk: found by the next process (here: under another handle), and never trusted.
#ifdef BEVGRAD_CUDA_EMULATED
#include "cuda/plan_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#include "base/files.h"
#include "emulation/cudnn.h"
#include "support/conv_problem.h"
#include "support/devices.h"
#include "tensor/determinism.h"

namespace bevgrad {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::IsEmpty;

const Device kCuda{DeviceKind::CUDA, 0};

class PlanFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("bevgrad_plans_" + std::to_string(::getpid()));
    fs::remove_all(folder_);
    ::setenv("BEVGRAD_PLAN_CACHE", (folder_ / "made").c_str(), 1);
  }
  void TearDown() override {
    ::unsetenv("BEVGRAD_PLAN_CACHE");
    fs::remove_all(folder_);
  }

  /// A convolution that no other test has: its plan is not in this process's memory.
  static ConvRun fresh(const ConvRun& oracle) { return oracle.to(kCuda, DType::Float32); }
  static ConvRun oracle() {
    static int64_t width = 40;
    return make_conv({1, 16, 5, ++width, 24, 3, 1, 1});
  }

  fs::path only_file() const {
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(folder_ / "made")) files.push_back(entry.path());
    EXPECT_EQ(files.size(), 1u);
    return files.at(0);
  }

  struct Answer {
    int64_t questions = 0;  // that the heuristics got
    double error = 0;
    std::string said;
  };
  /// What a thread that has a handle of its own does for the convolution.
  static Answer in_another_thread(const ConvRun& run, const ConvRun& oracle) {
    const int64_t before = emulation::cudnn_questions();
    Answer answer;
    testing::internal::CaptureStderr();
    std::thread([&] { answer.error = largest_error(run.forward(), oracle.forward()); }).join();
    answer.said = testing::internal::GetCapturedStderr();
    answer.questions = emulation::cudnn_questions() - before;
    return answer;
  }

  /// The same after a change of the file; true where one line says `why` and the plan is made anew, and kept.
  void expect_ignored(const std::function<void(const fs::path&)>& change, const std::string& why) {
    SCOPED_TRACE(why);
    fs::remove_all(folder_ / "made");
    const ConvRun host = oracle(), run = fresh(host);
    run.forward();
    const std::string whole = read_file(only_file().string());
    change(only_file());
    const Answer answer = in_another_thread(run, host);
    EXPECT_GT(answer.questions, 0);
    EXPECT_LT(answer.error, tolerance(DType::Float32));
    EXPECT_THAT(answer.said, HasSubstr(only_file().string() + ": "));
    EXPECT_THAT(answer.said, HasSubstr(why));
    EXPECT_THAT(answer.said, HasSubstr(": ignored, and made anew\n"));
    EXPECT_EQ(std::count(answer.said.begin(), answer.said.end(), '\n'), 1);
    EXPECT_EQ(read_file(only_file().string()), whole) << "made anew";
  }

  fs::path folder_;
};

TEST_F(PlanFiles, AreFoundAgain) {
  const ConvRun host = oracle(), run = fresh(host);
  run.forward();
  const fs::path file = only_file();
  EXPECT_EQ(fs::status(file).permissions(), fs::perms::owner_read | fs::perms::owner_write);
  EXPECT_THAT(read_file(file.string()), testing::StartsWith("bevgrad plan 1\ncuDNN 91900, driver 13000, "));
  const Answer answer = in_another_thread(run, host);
  EXPECT_EQ(answer.questions, 0);
  EXPECT_LT(answer.error, tolerance(DType::Float32));
  EXPECT_THAT(answer.said, IsEmpty());
}

TEST_F(PlanFiles, SwitchesAndShapesHaveTheirOwn) {
  const ConvRun host = oracle(), run = fresh(host);
  run.forward();
  set_allow_tf32(true);
  EXPECT_GT(in_another_thread(run, host).questions, 0);
  set_allow_tf32(false);
  const ConvRun other = oracle();
  EXPECT_GT(in_another_thread(fresh(other), other).questions, 0);
}

TEST_F(PlanFiles, WhatIsWrongIsIgnoredWithALine) {
  const auto rewrite = [](const fs::path& file, const std::string& text) {
    std::ofstream(file, std::ios::binary | std::ios::trunc) << text;
  };
  expect_ignored([&](const fs::path& file) { rewrite(file, ""); }, "no plan of this convolution");
  expect_ignored([&](const fs::path& file) { rewrite(file, std::string(100000, '\n')); },
                 "no plan of this convolution");
  expect_ignored(
      [&](const fs::path& file) {
        std::string text = read_file(file.string());
        text[text.size() - 20] ^= 1;
        rewrite(file, text);
      },
      "is damaged");
  expect_ignored([&](const fs::path& file) { fs::resize_file(file, fs::file_size(file) - 1); }, "is damaged");
  expect_ignored([&](const fs::path& file) { fs::permissions(file, fs::perms::others_write, fs::perm_options::add); },
                 "others may write it");
  expect_ignored(
      [&](const fs::path& file) {
        fs::rename(file, file.parent_path().parent_path() / "elsewhere");
        fs::create_symlink(file.parent_path().parent_path() / "elsewhere", file);
      },
      "is a link");
  expect_ignored([&](const fs::path& file) { fs::resize_file(file, uintmax_t{65} << 20); }, "larger than a plan");
}

// The library refuses what is whole but no plan.
TEST_F(PlanFiles, WhatTheLibraryRefusesIsMadeAnew) {
  expect_ignored(
      [&](const fs::path& file) {
        const std::string text = read_file(file.string());
        const size_t key = text.find('\n') + 1;
        cuda::keep_plan(text.substr(key, text.find('\n', key) - key), "{\"not\": \"a plan\"}");
      },
      "not the text of a plan");
}

TEST_F(PlanFiles, AFolderThatCannotBeWrittenStopsNothing) {
  fs::create_directories(folder_);
  std::ofstream(folder_ / "made") << "in the way";
  const ConvRun host = oracle(), run = fresh(host);
  testing::internal::CaptureStderr();
  EXPECT_LT(largest_error(run.forward(), host.forward()), tolerance(DType::Float32));
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("plans of cuDNN are not kept: "));
}

TEST_F(PlanFiles, AreSwitchedOff) {
  ::setenv("BEVGRAD_PLAN_CACHE", "0", 1);
  fresh(oracle()).forward();
  EXPECT_FALSE(fs::exists(folder_));
}

}  // namespace
}  // namespace bevgrad
#endif
