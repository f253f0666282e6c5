#include "internal/shipped.h"

#include "configs/load.h"

namespace bevgrad::configs {

std::vector<std::string> shipped_names() {
  std::vector<std::string> names;
  for (const auto& [name, text] : shipped_configs()) names.push_back(name);
  return names;
}

const std::string* shipped_text(const std::string& name) {
  constexpr std::string_view suffix = ".prototxt";
  const std::string stem = name.ends_with(suffix) ? name.substr(0, name.size() - suffix.size()) : name;
  const auto found = shipped_configs().find(stem);
  return found == shipped_configs().end() ? nullptr : &found->second;
}

}  // namespace bevgrad::configs
