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

TEST(Spread, AsAPageHasEveryRunAndItsCommands) {
  const std::string page = spread_markdown({{"a|b", {{{"miou", 0.1}}, {{"miou", 0.3}}}, "train --seeds 1,2\nval"},
                                            {"c", {{{"miou", 0.25}, {"lane_f1", 0.5}}}}});
  EXPECT_NE(page.find("| run | count | `miou` | `lane_f1` |\n|---|---|---|---|\n"), std::string::npos) << page;
  EXPECT_NE(page.find("| a\\|b | 2 | 0.200 ± 0.141 | n/a |\n"), std::string::npos) << page;
  EXPECT_NE(page.find("| c | 1 | 0.250 | 0.500 |\n"), std::string::npos) << page;
  EXPECT_NE(page.find("\na\\|b:\n\n    train --seeds 1,2\n    val\n"), std::string::npos) << page;
  EXPECT_EQ(page.find("\nc:"), std::string::npos);
}

}  // namespace
}  // namespace bevgrad
