#include "evaluation/table.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/text.h"

namespace bevgrad {
namespace {

/// A cell as a terminal may have it.
std::string shown(const Cell& cell, int digits) {
  return terminal_text(to_text(cell, digits));
}

std::string csv_field(const Cell& cell) {
  if (std::holds_alternative<std::monostate>(cell)) return "";
  if (const auto* number = std::get_if<double>(&cell)) return fmt::format("{}", *number);
  std::string text = to_text(cell);
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

std::vector<Cell> keys_of(const Table& table, const std::vector<Cell>& row) {
  std::vector<Cell> keys;
  for (size_t i = 0; i < row.size(); ++i)
    if (table.columns[i].key) keys.push_back(row[i]);
  return keys;
}

}  // namespace

Cell no_value() {
  return {};
}

Cell cell_of(Ratio value) {
  return value ? Cell(*value) : Cell();
}

void Table::add_row(std::vector<Cell> row) {
  check(row.size() == columns.size(), "table {}: a row of {} cells for {} columns", name, row.size(), columns.size());
  rows.push_back(std::move(row));
}

size_t Table::column(const std::string& wanted) const {
  for (size_t i = 0; i < columns.size(); ++i)
    if (columns[i].name == wanted) return i;
  fail("table {} has no column {}", name, wanted);
}

Cell Table::find(const std::vector<std::string>& keys, const std::string& value) const {
  const size_t at = column(value);
  for (const auto& row : rows) {
    std::vector<std::string> found;
    for (const Cell& key : keys_of(*this, row)) found.push_back(to_text(key));
    if (found == keys) return row[at];
  }
  return {};
}

std::string to_text(const Cell& cell, int digits) {
  if (const auto* text = std::get_if<std::string>(&cell)) return *text;
  if (const auto* integer = std::get_if<int64_t>(&cell)) return fmt::format("{}", *integer);
  if (const auto* number = std::get_if<double>(&cell)) return fmt::format("{:.{}f}", *number, digits);
  return "n/a";
}

size_t characters(const std::string& text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string terminal_text(std::string_view text) {
  return printable(text, text.size() * 4 + 1);
}

std::string shortened(const std::string& text, size_t width) {
  const std::string safe = terminal_text(text);
  if (characters(safe) <= width) return safe;
  std::string cut;
  for (std::string_view rest = safe; characters(cut) + 2 < width; rest.remove_prefix(utf8_length(rest)))
    cut += rest.substr(0, utf8_length(rest));
  return cut + "..";
}

std::string to_text(const Table& table, int digits) {
  std::vector<size_t> widths;
  for (const auto& column : table.columns) widths.push_back(characters(terminal_text(column.name)));
  for (const auto& row : table.rows)
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], characters(shown(row[i], digits)));
  std::string text = terminal_text(table.title) + "\n";
  const auto line = [&](const auto& cell_text) {
    std::string out;
    for (size_t i = 0; i < widths.size(); ++i) {
      const std::string value = cell_text(i);
      const std::string padding(widths[i] - characters(value), ' ');
      if (i) out += "  ";
      out += table.columns[i].key ? value + padding : padding + value;
    }
    while (!out.empty() && out.back() == ' ') out.pop_back();
    text += out + "\n";
  };
  line([&](size_t i) { return terminal_text(table.columns[i].name); });
  line([&](size_t i) { return std::string(widths[i], '-'); });
  for (const auto& row : table.rows) line([&](size_t i) { return shown(row[i], digits); });
  return text;
}

std::string to_csv(const Table& table) {
  std::string text;
  for (size_t i = 0; i < table.columns.size(); ++i) text += (i ? "," : "") + csv_field(table.columns[i].name);
  text += "\r\n";
  for (const auto& row : table.rows) {
    for (size_t i = 0; i < row.size(); ++i) text += (i ? "," : "") + csv_field(row[i]);
    text += "\r\n";
  }
  return text;
}

nlohmann::ordered_json to_json(const Table& table) {
  nlohmann::ordered_json json = {{"name", table.name}, {"title", table.title}};
  json["columns"] = nlohmann::ordered_json::array();
  for (const auto& column : table.columns) json["columns"].push_back({{"name", column.name}, {"key", column.key}});
  json["rows"] = nlohmann::ordered_json::array();
  for (const auto& row : table.rows) {
    auto cells = nlohmann::ordered_json::array();
    for (const Cell& cell : row) {
      if (const auto* text = std::get_if<std::string>(&cell))
        cells.push_back(*text);
      else if (const auto* integer = std::get_if<int64_t>(&cell))
        cells.push_back(*integer);
      else if (const auto* number = std::get_if<double>(&cell))
        cells.push_back(*number);
      else
        cells.push_back(nullptr);
    }
    json["rows"].push_back(std::move(cells));
  }
  return json;
}

Table table_from_json(const nlohmann::ordered_json& json, const std::string& source) {
  try {
    Table table{json.at("name"), json.at("title"), {}, {}};
    for (const auto& column : json.at("columns")) table.columns.push_back({column.at("name"), column.at("key")});
    for (const auto& cells : json.at("rows")) {
      std::vector<Cell> row;
      for (const auto& cell : cells) {
        if (cell.is_null())
          row.emplace_back();
        else if (cell.is_number_integer())
          row.emplace_back(cell.get<int64_t>());
        else if (cell.is_number())
          row.emplace_back(cell.get<double>());
        else
          row.emplace_back(cell.get<std::string>());
      }
      table.add_row(std::move(row));
    }
    return table;
  } catch (const nlohmann::json::exception& error) {
    fail("{}: not a table of results: {}", source, error.what());
  }
}

Table compare_tables(const Table& a, const Table& b, const std::string& name_a, const std::string& name_b,
                     const std::string& value) {
  Table result{a.name + "_comparison", a.title + ", " + value + ": " + name_a + " against " + name_b, {}, {}};
  for (const auto& column : a.columns)
    if (column.key) result.columns.push_back(column);
  for (const auto& name : {name_a, name_b, std::string("change")}) result.columns.push_back({name, false});

  const auto number = [](const Cell& cell) -> Ratio {
    if (const auto* integer = std::get_if<int64_t>(&cell)) return static_cast<double>(*integer);
    if (const auto* real = std::get_if<double>(&cell)) return *real;
    return std::nullopt;
  };
  std::map<std::vector<Cell>, Ratio> values_b;
  std::vector<std::vector<Cell>> keys_b;
  for (const auto& row : b.rows) {
    keys_b.push_back(keys_of(b, row));
    values_b[keys_b.back()] = number(row[b.column(value)]);
  }
  const auto add = [&](std::vector<Cell> keys, Ratio in_a, Ratio in_b) {
    keys.push_back(cell_of(in_a));
    keys.push_back(cell_of(in_b));
    keys.push_back(in_a && in_b ? Cell(*in_b - *in_a) : Cell());
    result.add_row(std::move(keys));
  };
  for (const auto& row : a.rows) {
    const auto keys = keys_of(a, row);
    const auto found = values_b.find(keys);
    add(keys, number(row[a.column(value)]), found == values_b.end() ? Ratio() : found->second);
    if (found != values_b.end()) values_b.erase(found);
  }
  for (const auto& keys : keys_b)
    if (const auto found = values_b.find(keys); found != values_b.end()) add(keys, std::nullopt, found->second);
  return result;
}

}  // namespace bevgrad
