#include "evaluation/spread.h"

#include <gtest/gtest.h>

namespace bevgrad {
namespace {

TEST(Spread, IsTheMeanAndTheDeviationOfWhatRunsHave) {
  const Table table = spread_table(
      {{"a", {{{"miou", 0.1}, {"lane_f1", 0.5}}, {{"miou", 0.4}}, {{"miou", 0.1}}}}, {"b", {{{"miou", 0.3}}}}});
  ASSERT_EQ(table.rows.size(), 3u);
  EXPECT_NEAR(std::get<double>(table.find({"a", "miou"}, "mean")), 0.2, 1e-12);
  EXPECT_NEAR(std::get<double>(table.find({"a", "miou"}, "deviation")), 0.17320508, 1e-8);  // sqrt(0.06 / 2)
  EXPECT_EQ(std::get<double>(table.find({"a", "miou"}, "lowest")), 0.1);
  EXPECT_EQ(std::get<double>(table.find({"a", "miou"}, "highest")), 0.4);
  EXPECT_EQ(std::get<int64_t>(table.find({"a", "miou"}, "count")), 3);
  EXPECT_EQ(std::get<int64_t>(table.find({"a", "lane_f1"}, "count")), 1);
  EXPECT_EQ(table.find({"b", "miou"}, "deviation"), no_value());
}

}  // namespace
}  // namespace bevgrad
