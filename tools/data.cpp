// bevgrad data: looking at a dataset before it is trained on.
#include <CLI/CLI.hpp>

#include "subcommands.h"

namespace bevgrad {

void add_data(CLI::App& app, const Parts& parts) {
  CLI::App* group = app.add_subcommand("data", "look at a dataset: info, check, draw, split; voxels labels it");
  group->require_subcommand(1);
  add_data_info(*group, parts);
  add_data_check(*group, parts);
  add_data_draw(*group, parts);
  add_data_split(*group, parts);
  add_data_voxels(*group, parts);
}

}  // namespace bevgrad
