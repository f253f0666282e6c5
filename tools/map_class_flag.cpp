#include "map_class_flag.h"

#include <CLI/CLI.hpp>

#include "base/error.h"
#include "configs/load.h"
#include "train/options/from_config.h"

namespace bevgrad {

void add_map_class_flag(CLI::App& command, std::vector<std::string>& changes) {
  command
      .add_option(
          "--map-class", changes,
          "kind=Class or kind/color=Class, may be given several times: the label class of a kind of map feature "
          "(boundary=Curb, solid/yellow=YellowLine); an empty one leaves the kind out")
      ->type_size(1)
      ->allow_extra_args(false);
}

void add_visibility_flag(CLI::App& command, std::string& config) {
  command.add_option("--visibility", config,
                     "a config: records get rasters of what cameras and LiDAR see, on its grid and in its window");
}

std::optional<VisibilityOptions> visibility_of(const std::string& config) {
  if (config.empty()) return std::nullopt;
  const configs::Document document = configs::load({.config = config});
  const auto& temporal = document.proto.temporal();
  return VisibilityOptions{configs::dataset_options(document.proto, false).labels.grid,
                           {temporal.intervals().begin(), temporal.intervals().end()},
                           temporal.match_tol()};
}

MapClasses map_class_changes(const std::vector<std::string>& changes) {
  MapClasses classes;
  for (const std::string& change : changes) {
    const size_t equals = change.find('=');
    if (equals == std::string::npos) throw UsageError(fmt::format("--map-class {}: expected kind=Class", change));
    classes[change.substr(0, equals)] = change.substr(equals + 1);
  }
  return classes;
}

}  // namespace bevgrad
