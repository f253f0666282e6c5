// Arrow's IPC files (Feather), against what pyarrow wrote; damaged ones end in an error.
#include "formats/arrow/table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/error.h"
#include "support/error_of.h"
#include "support/paths.h"
#include "support/temporary_folder.h"

namespace bevgrad {
namespace {

using ::testing::AllOf;
using testing::error_of;
using ::testing::HasSubstr;
using testing::TemporaryFolder;

const std::string kFolder = testing::source_dir() + "/tests/golden/formats/";

class ArrowFile : public ::testing::TestWithParam<const char*> {};

TEST_P(ArrowFile, HoldsWhatWasWritten) {
  const ArrowTable table = ArrowTable::read(kFolder + GetParam());
  ASSERT_EQ(table.rows(), 300);
  for (const int64_t i : {0, 1, 63, 199, 200, 299}) {
    const auto at = static_cast<size_t>(i);
    EXPECT_EQ(table.integers("int8")[at], i % 100 - 50);
    EXPECT_EQ(table.integers("uint8")[at], i % 256);
    EXPECT_EQ(table.integers("int16")[at], i * 100 - 15000);
    EXPECT_EQ(table.integers("uint32")[at], i + 4'000'000'000);
    EXPECT_EQ(table.integers("int64")[at], i + 315966265259836000);
    EXPECT_EQ(table.floats("half")[at], static_cast<double>(i) / 4 - 20);
    EXPECT_NEAR(table.floats("single")[at], static_cast<double>(i) / 3, 1e-5);
    EXPECT_EQ(table.floats("double")[at], static_cast<double>(i) / 7);
    EXPECT_EQ(table.integers("flag")[at], i % 3 == 0);
    std::string text;
    for (int64_t k = 0; k < i % 3; ++k) text += fmt::format("name {}", i);
    EXPECT_EQ(table.texts("text")[at], text);
    EXPECT_EQ(table.texts("large_text")[at], std::to_string(i));
  }
  EXPECT_EQ(table.floats("uint8")[7], 7);
  EXPECT_THAT(error_of([&] { table.floats("nothing"); }),
              AllOf(HasSubstr("no column 'nothing'"), HasSubstr("large_text")));
  EXPECT_THAT(error_of([&] { table.floats("text"); }), HasSubstr("holds texts"));
  EXPECT_THAT(error_of([&] { table.texts("int8"); }), HasSubstr("holds no texts"));
}

INSTANTIATE_TEST_SUITE_P(Feather, ArrowFile, ::testing::Values("lz4.feather", "plain.feather"),
                         [](const auto& info) { return std::string(info.param).substr(0, 3); });

TEST(ArrowErrors, SayWhatIsNotRead) {
  const auto error = [&](const std::string& file) { return error_of([&] { ArrowTable::read(kFolder + file); }); };
  EXPECT_THAT(error("zstd.feather"), AllOf(HasSubstr("zstd.feather"), HasSubstr("ZSTD")));
  EXPECT_THAT(error("version1.feather"), HasSubstr("version 1"));
  EXPECT_THAT(error("missing.feather"), HasSubstr("column 'gaps' has 1 missing values"));
  EXPECT_THAT(error("plain.safetensors"), HasSubstr("no Feather file"));
  const ArrowTable table = ArrowTable::read(kFolder + "dictionary.feather");
  EXPECT_EQ(table.integers("first")[5], 5);
  EXPECT_THAT(error_of([&] { table.texts("kind"); }), HasSubstr("dictionary-encoded"));
}

std::string whole_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(ArrowErrors, NoDamagedFileIsReadAsAnotherOrEndsTheProcess) {
  TemporaryFolder folder;
  const std::string path = folder / "damaged.feather";
  for (const char* name : {"lz4.feather", "plain.feather"}) {
    const std::string whole = whole_file(kFolder + name);
    const auto read = [&](const std::string& bytes) {
      std::ofstream(path, std::ios::binary) << bytes;
      return ArrowTable::read(path);
    };
    for (size_t length = 0; length < whole.size(); length += 97)
      EXPECT_THROW(read(whole.substr(0, length)), Error) << name << " " << length;
    for (size_t at = 0; at < whole.size(); at += 11) {
      std::string damaged = whole;
      damaged[at] = static_cast<char>(damaged[at] ^ (at % 3 == 0 ? 0xFF : 1 << (at % 8)));
      try {
        read(damaged);
      } catch (const Error& error) {
        EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
      }
    }
  }
}

}  // namespace
}  // namespace bevgrad
