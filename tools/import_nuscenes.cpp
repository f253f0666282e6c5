// bevgrad import-nuscenes: nuScenes key frames as a dataset.
#include "data/import_nuscenes.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "tools/subcommands.h"

namespace bevgrad {
namespace {

struct Flags {
  ImportOptions options;
  std::string out;
};

void import(const Flags& flags) {
  const ImportReport report = import_nuscenes(flags.out, flags.options);
  fmt::print("{} frames of {} sequences with {} boxes ({} of other classes left out) in {}\n", report.frames,
             report.sequences, report.boxes, report.boxes_left_out, flags.out);
}

}  // namespace

void add_import_nuscenes(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand("import-nuscenes", "make a dataset of mmdetection3d's info file and its data");
  command->add_option("--info", flags->options.info, "the info pickle of mmdetection3d 1.x")->required();
  command->add_option("--images", flags->options.images, "folder of the pictures and LiDAR files")->required();
  command->add_option("--out", flags->out, "the folder that is made")->required();
  command->callback([flags] { import(*flags); });
}

}  // namespace bevgrad
