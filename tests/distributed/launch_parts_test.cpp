// The launcher's smaller parts: notes about failures, and which streams go where.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>
#include <fstream>

#include "base/error.h"
#include "base/files.h"
#include "distributed/launch/error_file.h"
#include "distributed/launch/output_choice.h"
#include "support/temporary_folder.h"

namespace bevgrad {
namespace {

using ::testing::ElementsAre;
using testing::TemporaryFolder;

std::optional<FailureNote> note_of(const std::string& text) {
  const TemporaryFolder folder;
  std::ofstream(folder / "note") << text;
  return read_error_file(folder / "note");
}

TEST(ErrorFile, IsReadInEveryFormThatTorchrunWrites) {
  const auto whole = note_of(
      R"({"message": {"message": "out of memory", "extraInfo": {"timestamp": "100", "timestamp_us": "100250000"}}})");
  ASSERT_TRUE(whole);
  EXPECT_EQ(whole->message, "out of memory");
  EXPECT_DOUBLE_EQ(whole->timestamp, 100.25);
  const auto seconds = note_of(R"({"message": {"message": "a", "extraInfo": {"timestamp": 77}}})");
  ASSERT_TRUE(seconds);
  EXPECT_DOUBLE_EQ(seconds->timestamp, 77);
  const auto plain = note_of(R"({"message": "words"})");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->message, "words");
  EXPECT_EQ(plain->timestamp, 0);
}

TEST(ErrorFile, OtherFilesAreNoNotes) {
  for (const char* text :
       {"", "no JSON", "[1]", "{}", R"({"message": 3})", R"({"message": ""})", R"({"message": {"extraInfo": {}}})"})
    EXPECT_FALSE(note_of(text)) << text;
  EXPECT_TRUE(note_of(R"({"message": {"message": "a", "extraInfo": 3}})"));
  EXPECT_FALSE(read_error_file("/no/such/file"));
}

TEST(ErrorFile, IsWrittenOnceAndReadBack) {
  const TemporaryFolder folder;
  const std::string path = folder / "note";
  setenv("TORCHELASTIC_ERROR_FILE", path.c_str(), 1);
  const auto before = static_cast<double>(std::time(nullptr));
  write_error_file("the first \xff failure");
  write_error_file("what came of it");
  unsetenv("TORCHELASTIC_ERROR_FILE");
  const auto note = read_error_file(path);
  ASSERT_TRUE(note);
  EXPECT_THAT(note->message, ::testing::StartsWith("the first "));
  EXPECT_NEAR(note->timestamp, before, 60);
  EXPECT_THAT(read_file(path),
              ::testing::HasSubstr("\"timestamp\":\"" + std::to_string(static_cast<int64_t>(before)).substr(0, 6)));
  write_error_file("nobody asked");  // no variable: nothing is written
  setenv("TORCHELASTIC_ERROR_FILE", (folder / "no/folder/note").c_str(), 1);
  EXPECT_NO_THROW(write_error_file("lost"));
  unsetenv("TORCHELASTIC_ERROR_FILE");
}

TEST(OutputChoice, IsOneNumberOrOneForEachRank) {
  const StreamChoice none, both("--tee", "3"), some("--tee", "0:3,2:1,3:2");
  EXPECT_TRUE(none.is_empty());
  EXPECT_EQ(none.of(0).bits, 0);
  EXPECT_FALSE(both.is_empty());
  for (const int rank : {0, 5}) EXPECT_TRUE(both.of(rank).out() && both.of(rank).error());
  EXPECT_FALSE(some.is_empty());
  EXPECT_EQ(some.of(0).bits, 3);
  EXPECT_EQ(some.of(1).bits, 0);
  EXPECT_TRUE(some.of(2).out() && !some.of(2).error());
  EXPECT_TRUE(!some.of(3).out() && some.of(3).error());
  EXPECT_TRUE(StreamChoice("--tee", "0").is_empty());
}

TEST(OutputChoice, OtherTextsNameTheFlag) {
  for (const char* text : {"4", "-1", "x", "0:4", "0:", ":1", "-1:1", "0:1,2", "0:1,x:1", "1:1:1"}) {
    try {
      StreamChoice("--redirects", text);
      ADD_FAILURE() << text;
    } catch (const UsageError& error) {
      EXPECT_THAT(error.what(), ::testing::StartsWith("--redirects: \"" + std::string(text)));
    }
  }
  EXPECT_THAT(parse_ranks("--local-ranks-filter", "0,2,11"), ElementsAre(0, 2, 11));
  EXPECT_TRUE(parse_ranks("--local-ranks-filter", "").empty());
  for (const char* text : {"x", "0,,1", "-1", "1.5"})
    EXPECT_THROW(parse_ranks("--local-ranks-filter", text), UsageError) << text;
}

}  // namespace
}  // namespace bevgrad
