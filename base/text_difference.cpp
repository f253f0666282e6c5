#include "base/text_difference.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>
#include <vector>

namespace bevgrad {
namespace {

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

size_t indent_of(const std::string& line) {
  return std::min(line.find_first_not_of(' '), line.size());
}

/// A line behind the names of the messages that it is in.
std::string with_path(const std::vector<std::string>& lines, size_t index) {
  size_t indent = indent_of(lines[index]);
  std::string text = lines[index].substr(indent);
  for (size_t i = index; i-- > 0 && indent > 0;) {
    const size_t outer = indent_of(lines[i]);
    if (outer >= indent || !lines[i].ends_with(" {")) continue;
    indent = outer;
    text = lines[i].substr(outer, lines[i].size() - outer - 2) + "." + text;
  }
  return text;
}

/// Whether `lines` hold `line` at or behind a place.
bool comes_later(const std::vector<std::string>& lines, size_t from, const std::string& line) {
  return std::find(lines.begin() + static_cast<std::ptrdiff_t>(std::min(from, lines.size())), lines.end(), line) !=
         lines.end();
}

}  // namespace

std::string first_difference(const std::string& first, const std::string& second, const std::string& where_first,
                             const std::string& where_second) {
  if (first == second) return "";
  const std::vector<std::string> a = lines_of(first), b = lines_of(second);
  size_t at = 0;
  while (at < a.size() && at < b.size() && a[at] == b[at]) ++at;
  if (at == a.size() && at == b.size()) return "the last line ends in another way";
  // A field that is set on one side alone is a line that the other side has not.
  const bool only_second = at < b.size() && (at == a.size() || comes_later(b, at + 1, a[at]));
  const bool only_first = at < a.size() && (at == b.size() || comes_later(a, at + 1, b[at]));
  if (only_second != only_first)
    return only_second ? fmt::format("\"{}\" {}, no such line {}", with_path(b, at), where_second, where_first)
                       : fmt::format("\"{}\" {}, no such line {}", with_path(a, at), where_first, where_second);
  return fmt::format("\"{}\" {}, \"{}\" {}", with_path(a, at), where_first, with_path(b, at), where_second);
}

}  // namespace bevgrad
