#include "formats/convert/against.h"

#include <algorithm>
#include <optional>
#include <unordered_map>

#include "base/error.h"
#include "base/text.h"
#include "formats/convert/name_map.h"

namespace bevgrad {

namespace {

constexpr size_t kShown = 8;

class Modules {
 public:
  MatchReport::Module& of(const std::string& name) {
    const std::string module = name.substr(0, name.find('.'));
    const auto [at, added] = index_.try_emplace(module, report.modules.size());
    if (added) report.modules.emplace_back(module, MatchReport::Module{});
    return report.modules[at->second].second;
  }

  MatchReport report;

 private:
  std::unordered_map<std::string, size_t> index_;
};

void list_names(std::string& out, const char* title, const std::vector<std::string>& names) {
  for (size_t i = 0; i < std::min(names.size(), kShown); ++i) {
    out += fmt::format("    {}: {}\n", title, printable(names[i], 200));
  }
  if (names.size() > kShown) out += fmt::format("    {}: ... {} more\n", title, names.size() - kShown);
}

}  // namespace

MatchReport match_against(const std::vector<NamedTensor>& tensors, const std::vector<ExpectedTensor>& expected) {
  std::unordered_map<std::string, const StoredTensor*> by_name;
  for (const NamedTensor& tensor : tensors) by_name.emplace(tensor.name, &tensor.tensor);
  Modules modules;
  for (const ExpectedTensor& want : expected) {
    MatchReport::Module& module = modules.of(want.name);
    const auto found = by_name.find(want.name);
    if (found == by_name.end()) {
      module.missing.push_back(want.name);
      continue;
    }
    if (found->second->sizes == want.sizes) {
      ++module.matching;
    } else {
      module.other_shape.push_back(fmt::format("{}: the file has {}, the config {}", want.name,
                                               to_string(found->second->sizes), to_string(want.sizes)));
    }
    by_name.erase(found);
  }
  for (const NamedTensor& tensor : tensors) {
    if (by_name.contains(tensor.name)) modules.of(tensor.name).unexpected.push_back(tensor.name);
  }
  return std::move(modules.report);
}

namespace {

/// Maps that rename one library's names into another's, and know nothing of a model here, never match more than none.
std::optional<MapGuess> try_map(const std::string& map, const std::vector<NamedTensor>& tensors,
                                const std::vector<ExpectedTensor>& expected, const std::string& file) {
  NameOptions options;
  if (!map.empty()) options.map = NameMap::load(map);
  MapGuess out{.map = map};
  std::vector<NamedTensor> renamed;
  try {
    renamed = rename_tensors(tensors, options, file);
  } catch (const Error&) {
    return std::nullopt;  // two tensors would have one name, or kernels have other axes: it is not made for this file
  }
  for (const auto& [name, module] : match_against(renamed, expected).modules) {
    out.matching += module.matching;
    out.other_shape += module.other_shape.size();
  }
  if (out.matching == 0) return std::nullopt;
  return out;
}

}  // namespace

std::vector<MapGuess> guess_maps(const std::vector<NamedTensor>& tensors, const std::vector<ExpectedTensor>& expected,
                                 const std::string& file, std::string* prefix) {
  std::vector<std::string> names;
  for (const NamedTensor& tensor : tensors) names.push_back(tensor.name);
  *prefix = strip_common_prefixes(names);
  std::vector<NamedTensor> stripped;
  for (size_t i = 0; i < names.size(); ++i) stripped.push_back({names[i], tensors[i].tensor});
  std::vector<MapGuess> out;
  if (const auto as_it_is = try_map("", stripped, expected, file)) out.push_back(*as_it_is);
  for (const ReadyMadeMap& map : ready_made_maps()) {
    if (const auto guess = try_map(map.name, stripped, expected, file)) out.push_back(*guess);
  }
  std::stable_sort(out.begin(), out.end(),
                   [](const MapGuess& a, const MapGuess& b) { return a.matching > b.matching; });
  return out;
}

std::string guess_text(const std::vector<MapGuess>& guesses, const std::string& prefix, size_t expected) {
  if (guesses.empty()) return "  no ready-made map brings a parameter to its place\n";
  const auto call = [&](const MapGuess& guess) {
    std::string out = prefix.empty() ? "" : "--strip-prefix " + printable(prefix, 60) + " ";
    out += guess.map.empty() ? "" : "--rename " + guess.map;
    return out.empty() ? std::string("the names as they are") : out;
  };
  const auto figures = [&](const MapGuess& guess) {
    return fmt::format("{} of {} match, {} have another shape", guess.matching, expected, guess.other_shape);
  };
  const MapGuess& best = guesses[0];
  // Several maps may say the same of this file; one that says something else, and nearly as much, is a rival.
  size_t rival = 0;
  for (const MapGuess& guess : guesses) {
    if (guess.matching != best.matching) rival = std::max(rival, guess.matching);
  }
  const char* sure = "sure";
  if (best.other_shape > best.matching || best.matching * 20 < expected) {
    sure = "a guess";
  } else if (best.other_shape > 0 || rival * 10 > best.matching * 9) {
    sure = "likely";
  }
  std::string out = fmt::format("  {}: {} ({})\n", call(best), sure, figures(best));
  for (size_t i = 1; i < std::min<size_t>(guesses.size(), 4); ++i) {
    out += fmt::format("    or {} ({})\n", call(guesses[i]), figures(guesses[i]));
  }
  return out;
}

std::string MatchReport::text(const std::string& file, const std::string& model) const {
  std::string out = fmt::format("{} against {}\n", printable(file, 300), printable(model, 300));
  out +=
      fmt::format("  {:<32} {:>8} {:>8} {:>10} {:>11}\n", "module", "matches", "missing", "unexpected", "other shape");
  size_t matching = 0;
  for (const auto& [name, module] : modules) {
    matching += module.matching;
    out += fmt::format("  {:<32} {:>8} {:>8} {:>10} {:>11}\n", printable(name, 32), module.matching,
                       module.missing.size(), module.unexpected.size(), module.other_shape.size());
    // A module that is wholly there, or wholly absent, needs no list.
    if (module.matching != 0 || !module.other_shape.empty()) list_names(out, "missing", module.missing);
    list_names(out, "other shape", module.other_shape);
    if (module.matching != 0) list_names(out, "unexpected", module.unexpected);
  }
  return out + fmt::format("  {} parameters and buffers match\n", matching);
}

}  // namespace bevgrad
