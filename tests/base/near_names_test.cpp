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

}  // namespace
}  // namespace bevgrad
