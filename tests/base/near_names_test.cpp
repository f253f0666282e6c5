#include "base/near_names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace bevgrad {
namespace {

TEST(EditDistance, CountsEdits) {
  EXPECT_EQ(edit_distance("", ""), 0u);
  EXPECT_EQ(edit_distance("abc", ""), 3u);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
  EXPECT_EQ(edit_distance("same", "same"), 0u);
}

TEST(NearNames, TheClosestComeFirst) {
  EXPECT_THAT(near_names("fusr", {"fuser", "view_transfer", "fuse", "lidar_vfe"}),
              testing::ElementsAre("fuser", "fuse"));
  EXPECT_THAT(near_names("backbone", {"stage1_backbone0", "fuser"}), testing::ElementsAre("stage1_backbone0"));
  EXPECT_TRUE(near_names("zzzz", {"fuser"}).empty());
  EXPECT_TRUE(near_names("", {"fuser"}).empty());
  EXPECT_EQ(did_you_mean("zzzz", {"fuser"}), "");
}

TEST(NearNames, TwoWrongLettersAreNearInAShortNameThreeAreNot) {
  EXPECT_THAT(near_names("abcd", {"abxy"}), testing::ElementsAre("abxy"));
  EXPECT_TRUE(near_names("abcd", {"axyz"}).empty());
  EXPECT_THAT(near_names("twelve_chars", {"twelve_12345"}), testing::IsEmpty());
  EXPECT_THAT(near_names("twelve_chars", {"twelve_c1234"}), testing::ElementsAre("twelve_c1234"));
}

TEST(NearNames, AreAsManyAsWereAskedForAndEachOnce) {
  const std::vector<std::string> all = {"aaa1", "aaa2", "aaa2", "aaa3", "aaa4"};
  EXPECT_THAT(near_names("aaa", all, 2), testing::ElementsAre("aaa1", "aaa2"));
  EXPECT_THAT(near_names("aaa", all, 9), testing::ElementsAre("aaa1", "aaa2", "aaa3", "aaa4"));
}

}  // namespace
}  // namespace bevgrad
