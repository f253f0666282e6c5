#include "data/check/findings.h"

#include <fmt/core.h>

#include <algorithm>

namespace bevgrad {

namespace {

/// Past so many different things the data is of another kind altogether.
constexpr size_t kMostFindings = 1000;

}  // namespace

const char* name(Severity severity) {
  return severity == Severity::Error ? "error" : severity == Severity::Warning ? "warning" : "note";
}

std::string to_text(const Finding& finding) {
  std::string text = fmt::format("{}: ", name(finding.severity));
  if (!finding.where.empty()) text += finding.where + ": ";
  text += finding.what;
  if (finding.count > 1) text += fmt::format(" (in {} records)", finding.count);
  return text;
}

void Findings::add(Severity severity, const std::string& id, const std::string& where, const std::string& what,
                   bool stops_run) {
  const auto [at, is_new] = by_id_.emplace(id, all_.size());
  if (!is_new) {
    ++all_[at->second].count;
    return;
  }
  if (all_.size() == kMostFindings) {
    by_id_.erase(at);
    return;
  }
  all_.push_back({severity, what, where, 1, stops_run});
}

std::vector<Finding> Findings::sorted() const {
  std::vector<Finding> sorted = all_;
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const Finding& a, const Finding& b) { return a.severity > b.severity; });
  return sorted;
}

}  // namespace bevgrad
