// bevgrad import-nuscenes: nuScenes key frames as a dataset.
#include "data/import_nuscenes.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "drawing/dataset_pictures.h"
#include "subcommands.h"

namespace bevgrad {
namespace {

constexpr int64_t kMostPictures = 12;

struct Flags {
  ImportOptions options;
  std::string out;
  std::string draw;
};

void draw(const Flags& flags, const ImportReport& report) {
  DatasetOptions options;
  for (size_t i = 0; i < flags.options.cameras.size(); ++i) {
    const std::string& name = flags.options.cameras[i];
    options.groups.push_back({name, {name}, report.image_size[i].height, report.image_size[i].width});
  }
  const Dataset dataset(flags.out + "/lmdb.txt", {{"all", {flags.out + "/all.txt"}}}, options);
  const int64_t pictures = draw_dataset(dataset, flags.draw, {.most = kMostPictures});
  fmt::print("{} pictures in {}\n", pictures, flags.draw);
}

void import(const Flags& flags) {
  const ImportReport report = import_nuscenes(flags.out, flags.options);
  fmt::print("{} frames of {} sequences with {} boxes in {}\n", report.frames, report.sequences, report.boxes,
             flags.out);
  std::string left_out;
  for (const auto& [label, count] : report.left_out)
    left_out += fmt::format("{}{} {}", left_out.empty() ? "" : ", ", count, label);
  if (!left_out.empty()) fmt::print("boxes of other classes, left out: {}\n", left_out);
  for (const std::string& remark : report.remarks) fmt::print("{}\n", remark);
  if (!flags.draw.empty()) draw(flags, report);
}

}  // namespace

void add_import_nuscenes(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand("import-nuscenes", "make a dataset of mmdetection3d's info file and its data");
  command->add_option("--info", flags->options.info, "the info pickle of mmdetection3d, version 1 or 2")->required();
  command->add_option("--images", flags->options.images, "folder of the pictures and LiDAR files")->required();
  command->add_option("--out", flags->out, "the folder that is made")->required();
  command
      ->add_option("--cameras", flags->options.cameras,
                   "the cameras to take, which every frame must have: nuScenes' six")
      ->delimiter(',');
  command->add_option("--draw", flags->draw,
                      fmt::format("a folder for pictures of up to {} frames: cameras with LiDAR points and boxes, and "
                                  "both from above",
                                  kMostPictures));
  command->callback([flags] { import(*flags); });
}

}  // namespace bevgrad
