#include "base/text.h"

#include <gtest/gtest.h>

namespace bevgrad {
namespace {

TEST(Printable, KeepsTextAndShowsTheRestAsBytes) {
  EXPECT_EQ(printable("Straße 雨天"), "Straße 雨天");
  EXPECT_EQ(printable("a\x1b[31m\r\n\x7f"), "a\\x1b[31m\\x0d\\x0a\\x7f");
  EXPECT_EQ(printable("\xc2\x9b"), "\\xc2\\x9b");  // a control character of Latin-1
  EXPECT_EQ(printable("\xff\xe9\x9b"), "\\xff\\xe9\\x9b");
}

TEST(Printable, IsCutBetweenCharacters) {
  EXPECT_EQ(printable("雨雨雨", 4), "雨雨...");
  EXPECT_EQ(printable("abcd", 4), "abcd");
  EXPECT_EQ(printable("abcde", 4), "abcd...");
}

TEST(Utf8Length, RefusesWhatIsNoCharacter) {
  EXPECT_EQ(utf8_length("a"), 1u);
  EXPECT_EQ(utf8_length("ß"), 2u);
  EXPECT_EQ(utf8_length("雨"), 3u);
  EXPECT_EQ(utf8_length("\xf0\x9f\x9a\x97"), 4u);
  for (const char* wrong : {"\x80", "\xc0\xaf", "\xc1\xbf", "\xe0\x80\x80", "\xed\xa0\x80", "\xf0\x80\x80\x80",
                            "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe9\x9b", "\xc3("})
    EXPECT_EQ(utf8_length(wrong), 0u) << printable(wrong);
}

TEST(Wildcard, StarsAndQuestionMarks) {
  EXPECT_TRUE(matches_wildcard("stage1_neck2", "stage1_neck?"));
  EXPECT_TRUE(matches_wildcard("a.b.c", "*.c"));
  EXPECT_TRUE(matches_wildcard("abcbc", "a*bc"));
  EXPECT_TRUE(matches_wildcard("", "*"));
  EXPECT_FALSE(matches_wildcard("stage1_neck12", "stage1_neck?"));
  EXPECT_FALSE(matches_wildcard("a", "a?"));
  EXPECT_FALSE(matches_wildcard("xa", "a*"));
}

}  // namespace
}  // namespace bevgrad
