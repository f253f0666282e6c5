#include "formats/convert/name_map.h"

#include <algorithm>
#include <unordered_map>

#include "base/error.h"
#include "base/text.h"
#include "convert/internal/rule_lines.h"

namespace bevgrad {

namespace {

constexpr size_t kMaximumRuleName = 4096;  // std::regex recurses with the length of what it matches
constexpr size_t kMaximumCopies = 64;

constexpr std::string_view kPermute = " permute ";

/// "1,0; 3,2,0,1"
std::vector<AxisOrder> orders_in(std::string_view text, const std::string& where) {
  std::vector<AxisOrder> out;
  while (true) {
    const size_t end = std::min(text.find(';'), text.size());
    out.push_back(AxisOrder::parse(text.substr(0, end), where));
    if (end == text.size()) return out;
    text.remove_prefix(end + 1);
  }
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
  for (const RuleLine& line : rule_lines(text, source)) {
    Rule rule{.source = line.where, .text = line.pattern, .pattern = line.expression()};
    std::string replacement = line.replacement;
    if (const size_t permute = replacement.rfind(kPermute); permute != std::string::npos) {
      rule.orders = orders_in(std::string_view(replacement).substr(permute + kPermute.size()), line.where);
      replacement.erase(replacement.find_last_not_of(' ', permute) + 1);
    }
    if (!replacement.empty()) rule.replacements = expand_braces(replacement);
    if (rule.replacements.size() > kMaximumCopies) {
      throw UsageError(fmt::format("{}: more than {} copies", line.where, kMaximumCopies));
    }
    out.rules_.push_back(std::move(rule));
  }
  return out;
}

NameMap NameMap::load(const std::string& file_or_name) {
  std::string known;
  for (const ReadyMadeMap& map : ready_made_maps()) {
    known += (known.empty() ? "" : ", ") + std::string(map.name);
    if (file_or_name != map.name) continue;
    NameMap out = parse(map.rules, map.name);
    for (Rule& rule : out.rules_) {
      rule.ready_made = true;
      rule.source = map.name;
    }
    return out;
  }
  return parse(rules_file("--rename", file_or_name, known), file_or_name);
}

void NameMap::append(NameMap other) {
  for (Rule& rule : other.rules_) rules_.push_back(std::move(rule));
}

std::vector<std::string> NameMap::unused(const std::vector<bool>& used) const {
  std::unordered_map<std::string, bool> maps;
  std::vector<std::string> out;
  for (size_t i = 0; i < rules_.size(); ++i) {
    if (rules_[i].ready_made) maps[rules_[i].source] |= used[i];
  }
  for (size_t i = 0; i < rules_.size(); ++i) {
    const Rule& rule = rules_[i];
    if (!rule.ready_made && !used[i]) {
      out.push_back(fmt::format("{}: '{}' matches no name", rule.source, printable(rule.text)));
    } else if (rule.ready_made && !maps[rule.source]) {
      maps[rule.source] = true;  // said once
      out.push_back(fmt::format("--rename {}: none of its rules matches a name", rule.source));
    }
  }
  return out;
}

std::vector<std::string> NameMap::apply(const std::string& name, std::optional<size_t>* matched) const {
  check(rules_.empty() || name.size() <= kMaximumRuleName, "a name of {} bytes is too long to be renamed: '{}'",
        name.size(), printable(name, 60));
  for (const Rule& rule : rules_) {
    if (!std::regex_search(name, rule.pattern)) continue;
    if (matched != nullptr) *matched = static_cast<size_t>(&rule - rules_.data());
    std::vector<std::string> out;
    for (const std::string& replacement : rule.replacements) {
      out.push_back(std::regex_replace(name, rule.pattern, replacement, std::regex_constants::format_first_only));
    }
    return out;
  }
  return {name};
}

StoredTensor NameMap::permuted(const NamedTensor& tensor, size_t rule, const std::string& file) const {
  const Rule& of = rules_[rule];
  return reordered(tensor.tensor, of.orders, fmt::format("{}: {}: {}", file, of.source, printable(tensor.name)));
}

std::vector<NamedTensor> rename_tensors(const std::vector<NamedTensor>& tensors, const NameOptions& options,
                                        const std::string& file, RenameReport* report) {
  std::vector<NamedTensor> out;
  std::vector<std::string> origins;
  std::unordered_map<std::string, size_t> index;
  std::vector<bool> prefix_used(options.strip_prefixes.size(), false);
  std::vector<bool> rule_used(options.map.size(), false);
  std::vector<bool> pattern_used(options.select.size(), false);
  for (const NamedTensor& tensor : tensors) {
    std::string name = tensor.name;
    for (size_t i = 0; i < options.strip_prefixes.size(); ++i) {
      const std::string& prefix = options.strip_prefixes[i];
      if (name.size() <= prefix.size() || !name.starts_with(prefix)) continue;
      name.erase(0, prefix.size());
      prefix_used[i] = true;
    }
    std::optional<size_t> rule;
    for (std::string& renamed : options.map.apply(name, &rule)) {
      bool wanted = options.select.empty();
      for (size_t i = 0; i < options.select.size(); ++i) {
        if (!matches_wildcard(renamed, options.select[i])) continue;
        wanted = true;
        pattern_used[i] = true;
      }
      if (!wanted) continue;
      const auto [at, added] = index.emplace(renamed, out.size());
      if (!added)
        fail("{}: '{}' and '{}' would both be called '{}'", file, printable(origins[at->second]),
             printable(tensor.name), printable(renamed));
      out.push_back({std::move(renamed), rule ? options.map.permuted(tensor, *rule, file) : tensor.tensor});
      origins.push_back(tensor.name);
    }
    if (rule) rule_used[*rule] = true;
  }
  check(!out.empty(), "{}: none of its {} tensors is left after renaming and selection", file, tensors.size());
  if (report == nullptr) return out;
  report->from = std::move(origins);
  for (size_t i = 0; i < prefix_used.size(); ++i) {
    if (prefix_used[i]) continue;
    report->unused.push_back(fmt::format("--strip-prefix {}: no name has it", printable(options.strip_prefixes[i])));
  }
  for (std::string& line : options.map.unused(rule_used)) report->unused.push_back(std::move(line));
  for (size_t i = 0; i < pattern_used.size(); ++i) {
    if (!pattern_used[i]) {
      report->unused.push_back(fmt::format("--select {}: matches no name", printable(options.select[i])));
    }
  }
  return out;
}

}  // namespace bevgrad
