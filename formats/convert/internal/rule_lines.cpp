#include "convert/internal/rule_lines.h"

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "base/text.h"
#include "formats/bytes.h"

namespace bevgrad {

namespace {

constexpr uint64_t kMaximumFile = 16 << 20;

std::string_view without_blanks(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

}  // namespace

std::regex RuleLine::expression() const {
  try {
    return std::regex(pattern, std::regex::ECMAScript);
  } catch (const std::regex_error& error) {
    throw UsageError(fmt::format("{}: '{}' is no regular expression: {}", where, printable(pattern), error.what()));
  }
}

std::vector<RuleLine> rule_lines(std::string_view text, const std::string& source) {
  std::vector<RuleLine> out;
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(text.size(), end + 1));
    if (const std::string_view bare = without_blanks(line); bare.empty() || bare.front() == '#') continue;
    const std::string where = fmt::format("{}: line {}", source, number);
    const size_t arrow = line.find("->");
    if (arrow == std::string_view::npos) throw UsageError(where + ": expected PATTERN -> REPLACEMENT");
    out.push_back({where, std::string(without_blanks(line.substr(0, arrow))),
                   std::string(without_blanks(line.substr(arrow + 2)))});
  }
  return out;
}

std::string rules_file(const std::string& flag, const std::string& path, const std::string& known) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) {
    throw UsageError(fmt::format("{} {}: no such file, and no ready-made map (there are {})", flag, path, known));
  }
  const auto source = open_file(path);
  check(source->size() <= kMaximumFile, "{}: {} bytes are too many for a list of rules", path, source->size());
  std::string text(source->size(), '\0');
  source->read(0, std::as_writable_bytes(std::span(text)));
  return text;
}

}  // namespace bevgrad
