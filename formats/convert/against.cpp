#include "formats/convert/against.h"

#include <algorithm>
#include <unordered_map>

#include "base/error.h"
#include "base/text.h"

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

void list(std::string& out, const char* title, const std::vector<std::string>& names) {
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
    if (module.matching != 0 || !module.other_shape.empty()) list(out, "missing", module.missing);
    list(out, "other shape", module.other_shape);
    if (module.matching != 0) list(out, "unexpected", module.unexpected);
  }
  return out + fmt::format("  {} parameters and buffers match\n", matching);
}

}  // namespace bevgrad
