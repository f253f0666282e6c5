#include "base/files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "base/atomic_file.h"
#include "base/error.h"
#include "support/error_of.h"
#include "support/temporary_folder.h"

namespace bevgrad {
namespace {

namespace fs = std::filesystem;

TEST(TextFile, IsReadAsItWasWritten) {
  const testing::TemporaryFolder folder;
  const std::string text("a line\n\0\xff", 9);
  write_text_file(folder / "a", text);
  EXPECT_EQ(read_file(folder / "a"), text);
  write_text_file(folder / "a", "");
  EXPECT_EQ(read_file(folder / "a"), "");
}

TEST(TextFile, AFolderThatIsNotThereIsNamed) {
  const testing::TemporaryFolder folder;
  for (const std::string& path : {folder / "none/file", folder.path()}) {
    EXPECT_THAT(testing::error_of([&] { write_text_file(path, "text"); }), ::testing::HasSubstr(path));
  }
  EXPECT_THAT(testing::error_of([&] { read_file(folder / "none"); }), ::testing::HasSubstr("none: cannot read"));
}

// Ranks that open a fresh feature cache write the same indices at the same time.
TEST(TextFile, ProcessesThatWriteTheSameFileEachSucceed) {
  const testing::TemporaryFolder folder;
  const std::string path = folder / "shared";
  std::vector<pid_t> writers;
  for (char writer = 'a'; writer < 'e'; ++writer) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      try {
        for (int round = 0; round < 50; ++round) write_text_file(path, std::string(5000, writer));
        _exit(0);
      } catch (...) {
        _exit(1);
      }
    }
    writers.push_back(child);
  }
  for (const pid_t writer : writers) {
    int status = -1;
    waitpid(writer, &status, 0);
    EXPECT_EQ(status, 0);
  }
  const std::string text = read_file(path);
  EXPECT_EQ(text, std::string(5000, text[0]));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()), 1) << "leftovers";
}

TEST(AtomicFile, WithoutCommitNothingIsLeft) {
  const testing::TemporaryFolder folder;
  write_text_file(folder / "file", "before");
  {
    AtomicFile file(folder / "file");
    file.write("after");
  }
  EXPECT_EQ(read_file(folder / "file"), "before");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()), 1) << "leftovers";
}

TEST(AtomicFile, APatchChangesWhatIsThereAndNothingElse) {
  const testing::TemporaryFolder folder;
  {
    AtomicFile file(folder / "file");
    file.write("0123");
    file.write("4567");
    EXPECT_EQ(file.position(), 8u);
    file.patch(2, "ab");
    file.patch(6, "yz");
    EXPECT_THROW(file.patch(7, "yz"), Error);
    EXPECT_EQ(file.position(), 8u);
    file.write("8");
    file.commit();
  }
  EXPECT_EQ(read_file(folder / "file"), "01ab45yz8");
}

}  // namespace
}  // namespace bevgrad
