#include "base/append_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>

#include "base/error.h"
#include "base/files.h"
#include "support/temporary_folder.h"

namespace bevgrad {
namespace {

TEST(AppendFile, GrowsAndKeepsWhatWasThere) {
  const testing::TemporaryFolder folder;
  const std::string path = folder / "log";
  {
    AppendFile file(path);
    EXPECT_TRUE(file.is_empty());
    file.append("one\n");
  }
  AppendFile file(path);
  EXPECT_FALSE(file.is_empty());
  file.append("two\n");
  EXPECT_EQ(read_file(path), "one\ntwo\n");
  EXPECT_THROW(AppendFile(folder / "no/where"), Error);
}

/// No file may grow beyond so many bytes while this lives.
class SizeLimit {
 public:
  explicit SizeLimit(rlim_t bytes) {
    before_handler_ = std::signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit = {bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~SizeLimit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, before_handler_);
  }

 private:
  rlimit before_;
  void (*before_handler_)(int);
};

// The first bytes of the second record fit, and must not stay.
TEST(AppendFile, ARecordThatDoesNotFitLeavesNothing) {
  const testing::TemporaryFolder folder;
  const std::string path = folder / "log";
  AppendFile file(path);
  {
    const SizeLimit limit(10);
    file.append("12345678");
    try {
      file.append("abcdefgh");
      FAIL() << "expected an Error";
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), ::testing::AllOf(::testing::HasSubstr(path), ::testing::HasSubstr("disk full?")));
    }
    EXPECT_EQ(read_file(path), "12345678");
    file.append("90");
  }
  file.append("again");
  EXPECT_EQ(read_file(path), "1234567890again");
}

TEST(AppendFile, ADeviceThatIsFullIsAnError) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "SKIPPED: there is no /dev/full";
  AppendFile file("/dev/full");
  EXPECT_THROW(file.append("x"), Error);
}

}  // namespace
}  // namespace bevgrad
