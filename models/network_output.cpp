#include "models/network_output.h"

#include <algorithm>

#include "base/error.h"

namespace bevgrad {

const NetworkMap* NetworkOutput::find(std::string_view name) const {
  const auto found =
      std::find_if(maps_.begin(), maps_.end(), [&](const NetworkMap& entry) { return entry.name == name; });
  return found == maps_.end() ? nullptr : &*found;
}

void NetworkOutput::set(std::string_view name, Tensor map, std::string_view made_by) {
  check(map.defined(), "network output: {} is undefined", name);
  for (NetworkMap& entry : maps_) {
    if (entry.name != name) continue;
    entry.map = std::move(map);
    entry.made_by = made_by;
    return;
  }
  maps_.push_back({std::string(name), std::move(map), std::string(made_by)});
}

const Tensor& NetworkOutput::at(std::string_view name) const {
  if (const NetworkMap* found = find(name)) return found->map;
  std::string names;
  for (const NetworkMap& entry : maps_) names += (names.empty() ? "" : ", ") + entry.name;
  fail("the network gave no map {}, it gave {}", name, names.empty() ? "none" : names);
}

Tensor NetworkOutput::get(std::string_view name) const {
  const NetworkMap* found = find(name);
  return found == nullptr ? Tensor() : found->map;
}

}  // namespace bevgrad
