#include "formats/convert/name_map.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <unordered_map>

#include "base/error.h"
#include "base/text.h"
#include "pickle/internal/numbers.h"

namespace bevgrad {

namespace {

constexpr size_t kMaximumName = 4096;  // std::regex recurses with the length of what it matches
constexpr uint64_t kMaximumFile = 16 << 20;
constexpr size_t kMaximumCopies = 64;

std::string_view trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

/// "a{0,1}.b" -> "a0.b", "a1.b".
std::vector<std::string> expand_braces(const std::string& text) {
  const size_t open = text.find('{');
  const size_t close = open == std::string::npos ? open : text.find('}', open);
  if (close == std::string::npos) return {text};
  std::vector<std::string> out;
  size_t begin = open + 1;
  while (begin <= close) {
    const size_t end = std::min(text.find(',', begin), close);
    for (const std::string& rest : expand_braces(text.substr(close + 1))) {
      out.push_back(text.substr(0, open) + text.substr(begin, end - begin) + rest);
      if (out.size() > kMaximumCopies) return out;
    }
    begin = end + 1;
  }
  return out;
}

}  // namespace

NameMap NameMap::parse(std::string_view text, const std::string& source) {
  NameMap out;
  size_t line_number = 0;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(text.size(), end + 1));
    ++line_number;
    if (const std::string_view bare = trim(line); bare.empty() || bare.front() == '#') continue;
    const size_t arrow = line.find("->");
    if (arrow == std::string_view::npos) {
      throw UsageError(fmt::format("{}: line {}: expected PATTERN -> REPLACEMENT", source, line_number));
    }
    const std::string pattern(trim(line.substr(0, arrow)));
    const std::string replacement(trim(line.substr(arrow + 2)));
    Rule rule;
    try {
      rule.pattern = std::regex(pattern, std::regex::ECMAScript);
    } catch (const std::regex_error& error) {
      throw UsageError(fmt::format("{}: line {}: '{}' is no regular expression: {}", source, line_number,
                                   printable(pattern), error.what()));
    }
    if (!replacement.empty()) rule.replacements = expand_braces(replacement);
    if (rule.replacements.size() > kMaximumCopies) {
      throw UsageError(fmt::format("{}: line {}: more than {} copies", source, line_number, kMaximumCopies));
    }
    out.rules_.push_back(std::move(rule));
  }
  return out;
}

NameMap NameMap::load(const std::string& file_or_name) {
  for (const ReadyMadeMap& map : ready_made_maps()) {
    if (file_or_name == map.name) return parse(map.rules, map.name);
  }
  std::error_code error;
  if (!std::filesystem::is_regular_file(file_or_name, error)) {
    std::string known;
    for (const ReadyMadeMap& map : ready_made_maps()) known += (known.empty() ? "" : ", ") + std::string(map.name);
    throw UsageError(
        fmt::format("--rename {}: no such file, and no ready-made map (there are {})", file_or_name, known));
  }
  const auto source = open_file(file_or_name);
  check(source->size() <= kMaximumFile, "{}: {} bytes are too many for a list of rules", file_or_name, source->size());
  std::string text(source->size(), '\0');
  source->read(0, std::as_writable_bytes(std::span(text)));
  return parse(text, file_or_name);
}

void NameMap::append(NameMap other) {
  for (Rule& rule : other.rules_) rules_.push_back(std::move(rule));
}

std::vector<std::string> NameMap::apply(const std::string& name) const {
  check(rules_.empty() || name.size() <= kMaximumName, "a name of {} bytes is too long to be renamed: '{}'",
        name.size(), printable(name, 60));
  for (const Rule& rule : rules_) {
    if (!std::regex_search(name, rule.pattern)) continue;
    std::vector<std::string> out;
    for (const std::string& replacement : rule.replacements) {
      out.push_back(std::regex_replace(name, rule.pattern, replacement, std::regex_constants::format_first_only));
    }
    return out;
  }
  return {name};
}

std::vector<NamedTensor> rename_tensors(const std::vector<NamedTensor>& tensors, const NameOptions& options,
                                        const std::string& file) {
  std::vector<NamedTensor> out;
  std::unordered_map<std::string, std::string> from;
  for (const NamedTensor& tensor : tensors) {
    std::string name = tensor.name;
    for (const std::string& prefix : options.strip_prefixes) {
      if (name.size() > prefix.size() && name.starts_with(prefix)) name.erase(0, prefix.size());
    }
    for (std::string& renamed : options.map.apply(name)) {
      const bool wanted = options.select.empty() ||
                          std::any_of(options.select.begin(), options.select.end(),
                                      [&](const std::string& pattern) { return matches_wildcard(renamed, pattern); });
      if (!wanted) continue;
      const auto [at, added] = from.emplace(renamed, tensor.name);
      check(added, "{}: '{}' and '{}' would both be called '{}'", file, printable(at->second), printable(tensor.name),
            printable(renamed));
      out.push_back({std::move(renamed), tensor.tensor});
    }
  }
  check(!out.empty(), "{}: none of its {} tensors is left after renaming and selection", file, tensors.size());
  return out;
}

}  // namespace bevgrad
