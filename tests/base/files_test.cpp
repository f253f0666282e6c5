#include "base/files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "base/atomic_file.h"
#include "base/direct_file.h"
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

TEST(DirectFile, AnyPieceLandsWhereItBelongs) {
  const testing::TemporaryFolder folder;
  std::string expected(10 << 20, '.');
  write_text_file(folder / "file", expected);
  {
    DirectFile file(folder / "file");
    // Begins and lengths on and off the boundaries of pages, longer and shorter than one, one longer than its buffer.
    const std::pair<size_t, size_t> places[] = {{0, 4096},     {4097, 1},          {5000, 3000},       {8190, 5},
                                                {12288, 8192}, {20481, 0},         {20482, 4094},      {40000, 100001},
                                                {1 << 20, 1},  {2097153, 5 << 20}, {(10 << 20) - 3, 7}};
    std::string source(6 << 20, ' ');
    for (size_t i = 0; i < source.size(); ++i) source[i] = static_cast<char>('a' + i * 7 % 26);
    size_t shift = 0;  // of the bytes in memory
    for (const auto& [offset, length] : places) {
      const std::string_view bytes = std::string_view(source).substr(shift++, length);
      EXPECT_TRUE(file.write(offset, std::as_bytes(std::span(bytes)))) << offset;
      if (expected.size() < offset + length) expected.resize(offset + length);
      expected.replace(offset, length, bytes);
    }
  }
  EXPECT_TRUE(read_file(folder / "file") == expected);
}

TEST(DirectFile, ARefusalIsSaid) {
  DirectFile file("/dev/full");
  const std::vector<std::byte> bytes(100000);
  EXPECT_FALSE(file.write(0, bytes));
  EXPECT_EQ(errno, ENOSPC);
}

}  // namespace
}  // namespace bevgrad
