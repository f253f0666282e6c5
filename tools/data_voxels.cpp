// bevgrad data voxels: occupancy labels from a drive's accumulated LiDAR points and boxes.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "base/error.h"
#include "configs/load.h"
#include "data/label_voxels.h"
#include "data_flags.h"
#include "subcommands.h"
#include "tasks/occupancy/options.h"

namespace bevgrad {
namespace {

struct DataVoxelsFlags {
  DataFlags data;  ///< the records as they are; the config gives the grid alone
  std::string config, out;
  std::vector<std::string> sets;
  std::vector<double> lidar;
  LabelVoxelsOptions options;
};

void label(DataVoxelsFlags& flags) {
  const configs::Document document = configs::load({.config = flags.config, .sets = flags.sets});
  judge_parts(document, *flags.data.parts);
  flags.options.grid = voxel_grid(document.proto);
  if (!flags.lidar.empty()) flags.options.lidar = Vec3{flags.lidar[0], flags.lidar[1], flags.lidar[2]};
  const LabelVoxelsReport report = label_voxels(*flags.data.open_one(), flags.out, flags.options);
  fmt::print("{}: {} of {} records have voxels\n", flags.out, report.labelled, report.records);
  int64_t all = 0;
  for (const auto& [name, count] : report.voxels) all += count;
  for (const auto& [name, count] : report.voxels)
    if (count > 0)
      fmt::print("  {:<24} {:>10.0f} a record, {:.2f} %\n", name,
                 static_cast<double>(count) / static_cast<double>(report.labelled),
                 100 * static_cast<double>(count) / static_cast<double>(all));
  for (const std::string& remark : report.remarks) fmt::print("{}\n", remark);
}

}  // namespace

void add_data_voxels(CLI::App& app, const Parts& parts) {
  auto flags = std::make_shared<DataVoxelsFlags>();
  flags->data.parts = &parts;
  CLI::App* command = app.add_subcommand(
      "voxels", "a copy of a dataset with occupancy labels, from points that are accumulated over each drive");
  command->add_option("--config", flags->config, "whose tasks.occupancy and grid say where the voxels lie")->required();
  command->add_option("--set", flags->sets, "field=value, laid over the config; may be given several times")
      ->type_size(1)
      ->allow_extra_args(false);
  command->add_option("--data", flags->data.root, "the dataset's folder")->required();
  command->add_option("--list", flags->data.lists, "lists in that folder, or paths (default: all of the folder)")
      ->delimiter(',');
  command->add_option("--out", flags->out, "the folder to make")->required();
  command->add_option("--keys", flags->options.keys,
                      "sweeps before and after each that its labels are made of, a metre or a second apart "
                      "(default 25)");
  command->add_option("--lidar", flags->lidar, "x,y,z of the LiDAR in the ego frame, where the records do not say it")
      ->delimiter(',')
      ->expected(3);
  command->add_option("--drivable", flags->options.drivable,
                      "the records' road class on which the ground is \"road\" (default Freespace)");
  command->callback([flags] { label(*flags); });
}

}  // namespace bevgrad
