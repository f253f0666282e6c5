// bevgrad import-kitti: KITTI's object set or raw drives as a dataset.
#include "data/import_kitti.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "subcommands.h"

namespace bevgrad {

void add_import_kitti(CLI::App& app) {
  struct Flags {
    ImportKittiOptions options;
    std::string out;
  };
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand("import-kitti", "make a dataset of KITTI's object set or of raw drives");
  command->add_option("folders", flags->options.folders, "training/ of the object set, or drives of the raw data")
      ->required();
  command->add_option("--out", flags->out, "the folder that is made")->required();
  command->add_option("--cameras", flags->options.cameras, "numbers of the cameras to take (2: the left colour camera)")
      ->delimiter(',');
  command->callback([flags] {
    const ImportKittiReport report = import_kitti(flags->out, flags->options);
    fmt::print("{} frames of {} sequences with {} boxes in {}\n", report.frames, report.sequences, report.boxes,
               flags->out);
    for (const auto& [label, count] : report.left_out) fmt::print("left out: {} boxes of {}\n", count, label);
    for (const std::string& remark : report.remarks) fmt::print("{}\n", remark);
  });
}

}  // namespace bevgrad
