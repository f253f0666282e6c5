// Files of rules, PATTERN -> SOMETHING, one a line.
#pragma once
#include <regex>
#include <string>
#include <string_view>
#include <vector>

namespace bevgrad {

struct RuleLine {
  std::string where;  // "rules.txt: line 3"
  std::string pattern;
  std::string replacement;

  /// Throws UsageError where the pattern is no regular expression (ECMAScript's).
  std::regex expression() const;
};

/// Lines that are empty or begin with '#' are passed over. Throws UsageError naming `source` and the line without an
/// arrow.
std::vector<RuleLine> rule_lines(std::string_view text, const std::string& source);

/// The text of a file that a flag names. Throws UsageError where there is none: `known` are names that it could have
/// been instead.
std::string rules_file(const std::string& flag, const std::string& path, const std::string& known);

}  // namespace bevgrad
