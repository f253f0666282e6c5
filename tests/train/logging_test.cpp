// Event files, logs, the work folder.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/error.h"
#include "base/files.h"
#include "drawing/png.h"
#include "support/temporary_folder.h"
#include "train/logging/event_file.h"
#include "train/logging/run_log.h"
#include "train/logging/scalar_log.h"
#include "train/work_dir.h"

namespace bevgrad {
namespace {

namespace fs = std::filesystem;

class InAFolder : public ::testing::Test {
 protected:
  static std::string read(const fs::path& path) {
    std::ifstream stream(path, std::ios::binary);
    std::stringstream text;
    text << stream.rdbuf();
    return text.str();
  }
  void touch(const std::string& name) { std::ofstream(folder_ / name) << "x"; }
  testing::TemporaryFolder temporary_;
  const fs::path folder_ = temporary_.path();
};

using EventFiles = InAFolder;

TEST_F(EventFiles, RecordsAreFramedAndHoldTheScalar) {
  EventFile events(folder_.string());
  events.add_scalar("train/loss", 1.5, 300);
  events.flush();
  const std::string bytes = read(events.path());
  size_t at = 0;
  std::vector<std::string> records;
  while (at < bytes.size()) {
    uint64_t length = 0;
    std::memcpy(&length, bytes.data() + at, 8);
    ASSERT_LE(at + 16 + length, bytes.size());
    records.push_back(bytes.substr(at + 12, length));
    at += 16 + length;
  }
  ASSERT_EQ(records.size(), 2u);
  EXPECT_THAT(records[0], ::testing::HasSubstr("brain.Event:2"));
  // step = 300 as field 2, and the value as a float behind its tag.
  EXPECT_THAT(records[1], ::testing::HasSubstr(std::string("\x10\xAC\x02", 3)));
  EXPECT_THAT(records[1], ::testing::HasSubstr(std::string("train/loss\x15\x00\x00\xC0\x3F", 15)));
}

// SessionLog {status: START} in field 7 of an event of that step: TensorBoard drops what other files say from there on.
TEST_F(EventFiles, ASessionBeginsAtAStep) {
  EventFile file(folder_.string());
  file.start_session(21);
  file.flush();
  EXPECT_THAT(read(file.path()), ::testing::HasSubstr(std::string("\x10\x15\x3a\x02\x08\x01", 6)));
}

TEST(Histogram, CountsEveryFiniteValueOnce) {
  const Histogram h = histogram_of(from_values({-1, 0, 0.5, 1, std::nan(""), 3, INFINITY}, {7}), 4);
  EXPECT_EQ(h.count, 5);
  EXPECT_EQ(h.min, -1);
  EXPECT_EQ(h.max, 3);
  EXPECT_EQ(h.sum, 3.5);
  EXPECT_EQ(h.sum_of_squares, 11.25);
  EXPECT_EQ(h.limits, (std::vector<double>{0, 1, 2, 3}));
  EXPECT_EQ(h.counts, (std::vector<double>{1, 2, 1, 1}));
  const Histogram same = histogram_of(full({6}, 0.25));
  EXPECT_EQ(same.counts.back(), 6);
  EXPECT_LT(same.limits.front(), 0.25);
  EXPECT_GE(same.limits.back(), 0.25);
  EXPECT_EQ(histogram_of(full({2}, NAN)).count, 0);
}

TEST_F(EventFiles, ImagesMustBePngs) {
  EventFile events(folder_.string());
  const Pixels pixels{3, 2, std::vector<uint8_t>(18, 90)};
  events.add_image("val/street", encode_png(pixels), 7);
  EXPECT_THROW(events.add_image("val/street", "GIF89a, and so on for a while", 7), Error);
  events.add_histogram("weights/none", histogram_of(full({2}, NAN)), 7);
  events.flush();
  const std::string bytes = read(events.path());
  // Image {height = 1: 2, width = 2: 3, colorspace = 3: 3}
  EXPECT_THAT(bytes, ::testing::HasSubstr(std::string("\x08\x02\x10\x03\x18\x03", 6)));
  EXPECT_THAT(bytes, ::testing::Not(::testing::HasSubstr("weights/none")));
}

TEST_F(EventFiles, AFolderThatIsNotThereIsNamed) {
  EXPECT_THROW(EventFile((folder_ / "no/where").string()), Error);
}

TEST(ProgressLine, SaysWhatAPersonWants) {
  EXPECT_EQ(to_string(Progress{"train", 120, 300, 2.0, 1.25, 2e-4, 1.5e9}),
            "train 120/300 40% 2.0/s ETA 1:30 loss 1.25 lr 0.0002 mem 1.50 GB");
  EXPECT_EQ(to_string(Progress{"val", 0, 10, 0, 0, 0, 0}), "val 0/10 0%");
  EXPECT_EQ(format_duration(3723), "1:02:03");
}

using ScalarLogs = InAFolder;

TEST_F(ScalarLogs, AResumedRunReplacesWhatWasWrittenBeyondItsCheckpoint) {
  {
    ScalarLog log(folder_.string(), -1);
    for (int step = 1; step <= 3; ++step) log.add(step, {{"train/loss", 0.5 * step}, {"val/miou", std::nan("")}});
  }
  std::ofstream(folder_ / "scalars.jsonl", std::ios::app) << "{\"step\": 4, \"ti";  // cut short
  std::ofstream(folder_ / "scalars.csv", std::ios::app) << "4,17";
  {
    ScalarLog log(folder_.string(), 2);
    log.add(3, {{"train/loss", 7}});
  }
  std::istringstream lines(read(folder_ / "scalars.jsonl"));
  std::vector<std::string> all;
  for (std::string line; std::getline(lines, line);) all.push_back(line);
  ASSERT_EQ(all.size(), 3u);
  EXPECT_THAT(all[0], ::testing::AllOf(::testing::StartsWith("{\"step\":1,\"time\":"),
                                       ::testing::HasSubstr("\"train/loss\":0.5,\"val/miou\":null}")));
  EXPECT_THAT(all[2],
              ::testing::AllOf(::testing::StartsWith("{\"step\":3,"), ::testing::HasSubstr("\"train/loss\":7.0")));
  const std::string csv = read(folder_ / "scalars.csv");
  EXPECT_THAT(csv, ::testing::StartsWith("step,time,name,value\n1,"));
  EXPECT_THAT(csv, ::testing::EndsWith(",train/loss,7\n"));
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 6);
  ScalarLog(folder_.string(), -1);  // a run that begins anew
  EXPECT_EQ(read(folder_ / "scalars.jsonl"), "");
  EXPECT_THAT(read(folder_ / "scalars.csv"), ::testing::AnyOf("", "step,time,name,value\n"));
}

using Logs = InAFolder;

TEST_F(Logs, LinesGoToTheFile) {
  {
    RunLog log((folder_ / "train.log").string(), true);
    log.info("one\ntwo");
    log.to_file("three");
  }
  const std::string text = read(folder_ / "train.log");
  EXPECT_THAT(text, ::testing::AllOf(::testing::HasSubstr(" one\n"), ::testing::HasSubstr(" two\n"),
                                     ::testing::HasSubstr(" three\n")));
  EXPECT_THROW(RunLog("/proc/no/train.log"), Error);
}

using WorkDirs = InAFolder;

TEST_F(WorkDirs, CheckpointsNewestFirstAndPruned) {
  const WorkDir work((folder_ / "run").string());
  for (const int64_t step : {100, 20, 3}) std::ofstream(work.checkpoint_file(step)) << "x";
  touch("run/checkpoints/step_abc.h5");
  touch("run/checkpoints/step_5.h5.tmp");
  EXPECT_THAT(work.checkpoints(),
              ::testing::ElementsAre(work.checkpoint_file(100), work.checkpoint_file(20), work.checkpoint_file(3)));
  work.prune_checkpoints({.keep = 2});
  EXPECT_THAT(work.checkpoints(), ::testing::ElementsAre(work.checkpoint_file(100), work.checkpoint_file(20)));
}

TEST_F(WorkDirs, AnEarlierRunIsSetAsideNotLost) {
  const WorkDir work((folder_ / "run").string());
  EXPECT_EQ(work.set_checkpoints_aside(), "");
  std::ofstream(work.checkpoint_file(1)) << "x";
  const std::string aside = work.set_checkpoints_aside();
  EXPECT_TRUE(fs::exists(aside + "/step_00000001.h5"));
  EXPECT_TRUE(work.checkpoints().empty());
}

TEST_F(WorkDirs, OneTrainingAtATime) {
  const std::string folder = (folder_ / "run").string();
  {
    const WorkDir first(folder, true);
    EXPECT_THAT(lock_holder(folder), ::testing::StartsWith("process " + std::to_string(::getpid()) + " on "));
    const WorkDir reader(folder);  // who only reads is not in the way
    try {
      WorkDir(folder, true);
      FAIL();
    } catch (const UsageError& error) {
      EXPECT_THAT(error.what(), ::testing::AllOf(::testing::HasSubstr(folder),
                                                 ::testing::HasSubstr("process " + std::to_string(::getpid()))));
    }
  }
  EXPECT_EQ(lock_holder(folder), "");
  const WorkDir next(folder, true);
}

TEST_F(WorkDirs, LeftoversOfKilledWritersGoWhenATrainingBegins) {
  const std::string folder = (folder_ / "run").string();
  { const WorkDir work(folder); }
  touch("run/checkpoints/step_00000005.h5.tmp-17-3");
  touch("run/step2.ckpt.tmp-17-4");
  touch("run/metrics.json.tmp-17-5");  // somebody may be writing it
  touch("run/profile.txt.tmp-17-6");
  fs::last_write_time(folder_ / "run/profile.txt.tmp-17-6", fs::file_time_type::clock::now() - std::chrono::hours(2));
  touch("run/checkpoints/step_00000005.h5");
  touch("run/my.tmp");
  const WorkDir work(folder, true);
  EXPECT_FALSE(fs::exists(folder_ / "run/checkpoints/step_00000005.h5.tmp-17-3"));
  EXPECT_FALSE(fs::exists(folder_ / "run/step2.ckpt.tmp-17-4"));
  EXPECT_FALSE(fs::exists(folder_ / "run/profile.txt.tmp-17-6"));
  for (const char* kept : {"run/metrics.json.tmp-17-5", "run/checkpoints/step_00000005.h5", "run/my.tmp"})
    EXPECT_TRUE(fs::exists(folder_ / kept)) << kept;
}

TEST_F(WorkDirs, ATextIsWrittenWholeHoweverManyWriteIt) {
  const std::string file = (folder_ / "index.txt").string();
  std::vector<pid_t> writers;
  for (int i = 0; i < 8; ++i) {
    writers.push_back(fork());
    if (writers.back() != 0) continue;
    try {
      for (int round = 0; round < 50; ++round) write_text_file(file, std::string(20000, static_cast<char>('a' + i)));
    } catch (const Error&) {
      _exit(1);
    }
    _exit(0);
  }
  for (const pid_t writer : writers) {
    int status = -1;
    waitpid(writer, &status, 0);
    EXPECT_EQ(status, 0);
  }
  const std::string text = read(file);
  EXPECT_EQ(text, std::string(20000, text[0]));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 1) << "nothing is left over";
}

TEST_F(WorkDirs, AFolderThatCannotBeMadeIsAUsageError) {
  touch("file");
  EXPECT_THROW(WorkDir((folder_ / "file" / "run").string()), UsageError);
}

}  // namespace
}  // namespace bevgrad
