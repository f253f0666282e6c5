// The folder that is read while it grows: in which order, until when, and how often.
#include "internal/growing_folder.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <fstream>

#include "support/temporary_folder.h"

namespace bevgrad {
namespace {

using bevgrad::testing::TemporaryFolder;

void put(const TemporaryFolder& folder, const std::string& name) {
  std::ofstream(folder / (name + ".part")) << name;
  std::filesystem::rename(folder / (name + ".part"), folder / name);
}

TEST(GrowingFolder, IsNotReadForEveryFile) {
  const TemporaryFolder folder;
  for (int i = 0; i < 300; ++i) put(folder, fmt::format("{:04}.record", i));
  GrowingFolder files(folder.path());
  for (int i = 0; i < 600; ++i) {
    EXPECT_EQ(files.next(), folder / fmt::format("{:04}.record", i));
    if (i >= 299) put(folder, fmt::format("{:04}.record", i + 1));
  }
  EXPECT_LT(files.readings(), 30);
  put(folder, "0000.record"), put(folder, ".0700.record"), put(folder, "0800.txt");
  EXPECT_EQ(files.next(), folder / "0600.record");
  EXPECT_EQ(files.next(), std::nullopt) << "the others come too late, or are no frames";
  EXPECT_FALSE(files.ended());
  put(folder, "0900.h5"), put(folder, "end");
  EXPECT_EQ(files.next(), folder / "0900.h5");
  EXPECT_EQ(files.next(), std::nullopt);
  EXPECT_TRUE(files.ended());
}

TEST(GrowingFolder, AFileThatComesInBetweenIsGivenInItsPlace) {
  const TemporaryFolder folder;
  put(folder, "1.record"), put(folder, "5.record");
  GrowingFolder files(folder.path());
  EXPECT_EQ(files.next(), folder / "1.record");
  put(folder, "3.record");
  EXPECT_EQ(files.next(), folder / "3.record");
  EXPECT_EQ(files.next(), folder / "5.record");
}

}  // namespace
}  // namespace bevgrad
