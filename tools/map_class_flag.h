// --map-class and --visibility of the importers that read vector maps.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include <CLI/App.hpp>

#include "data/maps/vector_map.h"
#include "data/maps/visibility.h"

namespace bevgrad {

void add_map_class_flag(CLI::App& command, std::vector<std::string>& changes);
/// Throws UsageError for a change of another form than kind=Class or kind/color=Class.
MapClasses map_class_changes(const std::vector<std::string>& changes);

void add_visibility_flag(CLI::App& command, std::string& config);
/// The grid and the window of a config; nothing for an empty name.
std::optional<VisibilityOptions> visibility_of(const std::string& config);

}  // namespace bevgrad
