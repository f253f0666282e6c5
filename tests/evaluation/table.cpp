#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "evaluation/box_overview.h"
#include "evaluation/table.h"

namespace bevgrad {
namespace {

Table example() {
  Table table{"iou", "IoU per class", {{"class", true}, {"iou"}, {"cells"}}, {}};
  table.add_row({std::string("Wall"), 0.5, int64_t{12}});
  table.add_row({std::string("Curb, \"low\""), Cell(), int64_t{0}});
  return table;
}

TEST(Ratio, NothingOverNothingIsNotAvailable) {
  EXPECT_FALSE(ratio(0, 0));
  EXPECT_EQ(*ratio(0, 2), 0.0);
  EXPECT_DOUBLE_EQ(*f1_score(0.5, 1.0), 2.0 / 3.0);
  EXPECT_EQ(*f1_score(std::nullopt, 0.0), 0.0);  // nothing predicted, something there
  EXPECT_EQ(*f1_score(0.0, 0.0), 0.0);
  EXPECT_FALSE(f1_score(0.0, std::nullopt));  // never there
  EXPECT_DOUBLE_EQ(*mean_of(std::vector<Ratio>{0.2, std::nullopt, 0.4}), 0.3);
  EXPECT_FALSE(mean_of(std::vector<Ratio>{std::nullopt}));
  EXPECT_EQ(to_text(Ratio()), "n/a");
}

TEST(Table, IsWrittenAsTextCsvAndJson) {
  const Table table = example();
  EXPECT_EQ(to_text(table, 2),
            "IoU per class\n"
            "class         iou  cells\n"
            "-----------  ----  -----\n"
            "Wall         0.50     12\n"
            "Curb, \"low\"   n/a      0\n");
  EXPECT_EQ(to_csv(table), "class,iou,cells\r\nWall,0.5,12\r\n\"Curb, \"\"low\"\"\",,0\r\n");
  const Table again = table_from_json(to_json(table), "test");
  EXPECT_EQ(to_csv(again), to_csv(table));
  EXPECT_EQ(to_json(table)["rows"][1][1], nullptr);
  EXPECT_EQ(table.find({"Wall"}, "iou"), Cell(0.5));
  EXPECT_EQ(table.find({"Nobody"}, "iou"), Cell());
}

TEST(Table, RefusesWhatIsNone) {
  Table table = example();
  EXPECT_THROW(table.add_row({std::string("Wall")}), Error);
  EXPECT_THROW(table.column("f1"), Error);
  EXPECT_THROW(table_from_json(nlohmann::ordered_json::parse(R"({"name": 3})"), "x.json"), Error);
}

TEST(Table, ComparesTwoRuns) {
  Table a = example(), b = example();
  b.rows[0][1] = 0.75;
  b.add_row({std::string("SpeedBump"), 0.1, int64_t{3}});
  const Table compared = compare_tables(a, b, "step 1", "step 2", "iou");
  ASSERT_EQ(compared.rows.size(), 3u);
  EXPECT_EQ(compared.find({"Wall"}, "change"), Cell(0.25));
  EXPECT_EQ(compared.find({"SpeedBump"}, "step 1"), Cell());
  EXPECT_EQ(compared.find({"SpeedBump"}, "step 2"), Cell(0.1));
}

TEST(BoxOverview, HasARowAClassThatOccurs) {
  Table ap{
      "dynamic_ap",
      "boxes",
      {{"val set", true}, {"class", true}, {"threshold", true}, {"cells", true}, {"ap"}, {"predictions"}, {"truths"}},
      {}};
  const auto add = [&](const char* name, const char* threshold, const char* cells, Cell value, int64_t p, int64_t t) {
    ap.add_row({std::string("frame"), std::string(name), std::string(threshold), std::string(cells), value, p, t});
  };
  add("car", "0.5", "all", 0.25, 4, 5);
  add("car", "0.5", "seen now", 0.75, 3, 3);
  add("car", "1", "all", 0.5, 4, 5);
  add("bus", "0.5", "all", {}, 0, 0);
  const Table overview = box_overview(ap);
  ASSERT_EQ(overview.rows.size(), 1u);
  EXPECT_EQ(overview.find({"frame", "car"}, "0.5 m"), Cell(0.25));
  EXPECT_EQ(overview.find({"frame", "car"}, "1 m"), Cell(0.5));
  EXPECT_EQ(overview.find({"frame", "car"}, "truths"), Cell(int64_t{5}));
}

}  // namespace
}  // namespace bevgrad
