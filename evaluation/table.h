// A table of results. Every metric is given as one; text, CSV, JSON and the HTML report are made from it.
#pragma once
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "evaluation/ratio.h"

namespace bevgrad {

/// One value; std::monostate is "n/a".
using Cell = std::variant<std::monostate, std::string, int64_t, double>;
Cell cell_of(Ratio value);
/// "n/a".
Cell no_value();

struct Column {
  std::string name;
  bool key = false;  ///< says what the row is about; the others are measured
};

struct Table {
  std::string name;   ///< for file names and JSON: "iou"
  std::string title;  ///< for people: "IoU per class"
  std::vector<Column> columns;
  std::vector<std::vector<Cell>> rows;

  /// Throws where the row has not one cell a column.
  void add_row(std::vector<Cell> row);
  /// Index of a column; throws where there is none.
  size_t column(const std::string& name) const;
  /// The value of column `value` in the first row whose key columns hold `keys` (in the columns' order), or n/a.
  Cell find(const std::vector<std::string>& keys, const std::string& value) const;
};

/// Text of one cell: doubles with `digits` digits, "n/a" for none.
std::string to_text(const Cell& cell, int digits = 4);
/// Characters of a UTF-8 text, not bytes.
size_t characters(const std::string& text);
/// Text of data for a terminal or a line of a log: control characters and what is no UTF-8 as \xNN.
std::string terminal_text(std::string_view text);
/// The same in at most `width` characters (2 or more); what is cut ends in "..".
std::string shortened(const std::string& text, size_t width);
/// The table with aligned columns, a title line and a rule: for terminals and logs.
std::string to_text(const Table& table, int digits = 4);
/// RFC 4180 with a header line; "n/a" is an empty field.
std::string to_csv(const Table& table);

/// {"name", "title", "columns": [{"name", "key"}], "rows": [[...]]}; n/a is null.
nlohmann::ordered_json to_json(const Table& table);
/// Throws Error naming `source` where the document is not such a table.
Table table_from_json(const nlohmann::ordered_json& json, const std::string& source);

/// Rows of `a` and `b` side by side by their key columns: keys, `value` in a, in b, and b - a. Rows that only one of
/// them has are n/a in the other.
Table compare_tables(const Table& a, const Table& b, const std::string& name_a, const std::string& name_b,
                     const std::string& value);

}  // namespace bevgrad
