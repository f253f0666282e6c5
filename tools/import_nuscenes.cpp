// bevgrad import-nuscenes: nuScenes key frames as a dataset.
#include "data/import_nuscenes.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "base/error.h"
#include "data/import_nuscenes_tables.h"
#include "drawing/dataset_pictures.h"
#include "map_class_flag.h"
#include "subcommands.h"

namespace bevgrad {
namespace {

constexpr int64_t kMostPictures = 12;

struct ImportNuscenesFlags {
  ImportOptions options;
  ImportTablesOptions tables;
  std::vector<std::string> classes;
  std::string visibility;
  std::string out;
  std::string draw;
};

void draw(const ImportNuscenesFlags& flags, const ImportReport& report) {
  DatasetOptions options;
  for (size_t i = 0; i < flags.options.cameras.size(); ++i) {
    const std::string& name = flags.options.cameras[i];
    if (report.image_size[i].width == 0) continue;  // no frame has a picture of it
    options.groups.push_back({name, {name}, report.image_size[i].height, report.image_size[i].width});
  }
  const Dataset dataset(flags.out + "/lmdb.txt", {{"all", {flags.out + "/all.txt"}}}, options);
  const int64_t pictures = draw_dataset(dataset, flags.draw, {.most = kMostPictures});
  fmt::print("{} pictures in {}\n", pictures, flags.draw);
}

ImportReport import_infos(const ImportNuscenesFlags& flags) {
  ImportOptions options = flags.options;
  options.classes = map_class_changes(flags.classes);
  return import_nuscenes(flags.out, options);
}

ImportReport import_tables(const ImportNuscenesFlags& flags) {
  ImportTablesOptions options = flags.tables;
  options.cameras = flags.options.cameras;
  options.visibility = visibility_of(flags.visibility);
  options.classes = map_class_changes(flags.classes);
  return import_nuscenes_tables(flags.out, options);
}

void import(const ImportNuscenesFlags& flags) {
  const bool has_tables = !flags.tables.root.empty();
  if (has_tables == !flags.options.info.empty()) throw UsageError("expected --info with --images, or --tables");
  if (has_tables && !(flags.options.images.empty() && flags.options.drivable.empty()))
    throw UsageError("--images and --drivable belong to --info");
  if (!has_tables && !(flags.tables.version.empty() && flags.visibility.empty() && flags.tables.sweep_interval == 0))
    throw UsageError("--version, --sweeps and --visibility belong to --tables");
  const ImportReport report = has_tables ? import_tables(flags) : import_infos(flags);
  fmt::print("{} frames of {} sequences with {} boxes in {}\n", report.frames, report.sequences, report.boxes,
             flags.out);
  if (report.by_list.size() > 1)
    for (const auto& [name, count] : report.by_list) fmt::print("{}.txt: {} frames\n", name, count);
  if (report.shapes > 0) fmt::print("{} shapes of maps around the frames\n", report.shapes);
  std::string left_out;
  for (const auto& [label, count] : report.left_out)
    left_out += fmt::format("{}{} {}", left_out.empty() ? "" : ", ", count, label);
  if (!left_out.empty()) fmt::print("boxes of other classes, left out: {}\n", left_out);
  for (const std::string& remark : report.remarks) fmt::print("{}\n", remark);
  if (!flags.draw.empty()) draw(flags, report);
}

}  // namespace

void add_import_nuscenes(CLI::App& app) {
  auto flags = std::make_shared<ImportNuscenesFlags>();
  CLI::App* command =
      app.add_subcommand("import-nuscenes", "make a dataset of nuScenes: its own tables, or an info pickle");
  command->add_option("--tables", flags->tables.root, "nuScenes as it is downloaded: holds v1.0-*/, samples/, maps/");
  command->add_option("--version", flags->tables.version, "which tables, where there are several: v1.0-mini");
  command
      ->add_option("--sweeps", flags->tables.sweep_interval,
                   "seconds between LiDAR sweeps that become frames between the key frames (0.1; default: none)")
      ->check(CLI::Range(0.0, 10.0));
  command->add_option("--info", flags->options.info, "the info pickle of mmdetection3d, version 1 or 2, or its kin");
  command->add_option("--drivable", flags->options.drivable,
                      "of --info: nuScenes' raster of the drivable area where the frames are (maps/<token>.png)");
  command->add_option("--images", flags->options.images, "of --info: folder of the pictures and LiDAR files");
  command->add_option("--out", flags->out, "the folder that is made")->required();
  command
      ->add_option("--cameras", flags->options.cameras,
                   "the cameras to take, which every frame must have: nuScenes' six")
      ->delimiter(',');
  add_map_class_flag(*command, flags->classes);
  add_visibility_flag(*command, flags->visibility);
  command->add_option("--draw", flags->draw,
                      fmt::format("a folder for pictures of up to {} frames: cameras with LiDAR points and boxes, and "
                                  "both from above",
                                  kMostPictures));
  command->callback([flags] { import(*flags); });
}

}  // namespace bevgrad
