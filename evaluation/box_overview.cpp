#include "evaluation/box_overview.h"

#include <algorithm>

namespace bevgrad {
namespace {

/// "0.5 m"; "mean" as it is.
std::string distance_of(const Cell& threshold) {
  const std::string text = to_text(threshold);
  return text == "mean" ? text : text + " m";
}

}  // namespace

Table box_overview(const Table& dynamic_ap) {
  Table table{"box_overview", dynamic_ap.title, {{"val set", true}, {"class", true}}, {}};
  const size_t cells = dynamic_ap.column("cells"), threshold = dynamic_ap.column("threshold");
  const size_t ap = dynamic_ap.column("ap"), predictions = dynamic_ap.column("predictions"),
               truths = dynamic_ap.column("truths");
  std::vector<std::vector<Cell>> of_all;
  for (const auto& row : dynamic_ap.rows) {
    if (to_text(row[cells]) != "all") continue;
    of_all.push_back(row);
    const std::string distance = distance_of(row[threshold]);
    const bool is_new = std::none_of(table.columns.begin(), table.columns.end(),
                                     [&](const Column& column) { return column.name == distance; });
    if (is_new) table.columns.push_back({distance, false});
  }
  table.columns.push_back({"predictions", false});
  table.columns.push_back({"truths", false});
  for (const auto& row : of_all) {
    const bool is_empty = row[predictions] == Cell(int64_t{0}) && row[truths] == Cell(int64_t{0});
    if (is_empty) continue;
    auto found = std::find_if(table.rows.begin(), table.rows.end(),
                              [&](const auto& r) { return r[0] == row[0] && r[1] == row[1]; });
    if (found == table.rows.end()) {
      table.add_row(std::vector<Cell>(table.columns.size()));
      found = table.rows.end() - 1;
      (*found)[0] = row[0], (*found)[1] = row[1];
    }
    (*found)[table.column(distance_of(row[threshold]))] = row[ap];
    (*found)[table.column("predictions")] = row[predictions];
    (*found)[table.column("truths")] = row[truths];
  }
  return table;
}

}  // namespace bevgrad
