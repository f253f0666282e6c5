#include "base/text_difference.h"

#include <gtest/gtest.h>

namespace bevgrad {
namespace {

std::string between(const std::string& a, const std::string& b) {
  return first_difference(a, b, "then", "now");
}

TEST(TextDifference, NamesTheMessagesAroundALineNotThoseBeforeIt) {
  const std::string text =
      "train {\n  amp {\n    on: true\n  }\n  sgd {\n    nesterov: true\n  }\n}\neval {\n  n: 1\n}\n";
  std::string other = text;
  other.replace(other.find("nesterov: true"), 14, "nesterov: false");
  EXPECT_EQ(between(text, other), "\"train.sgd.nesterov: true\" then, \"train.sgd.nesterov: false\" now");
  other = text;
  other.replace(other.find("n: 1"), 4, "n: 2");
  EXPECT_EQ(between(text, other), "\"eval.n: 1\" then, \"eval.n: 2\" now");
}

TEST(TextDifference, AMissingLineIsOneOfTheSideThatHasIt) {
  EXPECT_EQ(between("a: 1\nb: 2\nc: 3\n", "a: 1\nc: 3\n"), "\"b: 2\" then, no such line now");
  EXPECT_EQ(between("a: 1\nc: 3\n", "a: 1\nb: 2\nc: 3\n"), "\"b: 2\" now, no such line then");
  EXPECT_EQ(between("a: 1\n", "a: 1\nb: 2\n"), "\"b: 2\" now, no such line then");
  EXPECT_EQ(between("", "a: 1\n"), "\"a: 1\" now, no such line then");
  EXPECT_EQ(between("a: 1\n", "a: 1"), "the last line ends in another way");
  EXPECT_EQ(between("a: 1\n", "a: 1\n"), "");
}

}  // namespace
}  // namespace bevgrad
