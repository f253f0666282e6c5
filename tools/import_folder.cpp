// bevgrad import-folder: a neutral folder as a dataset.
#include "data/import_folder.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "map_class_flag.h"
#include "subcommands.h"

namespace bevgrad {
namespace {

struct ImportFolderFlags {
  std::string folder, out, visibility;
  std::vector<std::string> classes;
};

void import(const ImportFolderFlags& flags) {
  const ImportFolderReport report = import_folder(flags.out, {.folder = flags.folder,
                                                              .classes = map_class_changes(flags.classes),
                                                              .visibility = visibility_of(flags.visibility)});
  fmt::print("{} frames of {} sequences with {} pictures and {} boxes in {}\n", report.frames, report.sequences,
             report.pictures, report.boxes, flags.out);
  for (const auto& [name, count] : report.by_list) fmt::print("{}.txt: {} frames\n", name, count);
  std::string shapes;
  for (const auto& [name, count] : report.shapes)
    shapes += fmt::format("{}{} {}", shapes.empty() ? "" : ", ", count, name);
  if (!shapes.empty()) fmt::print("shapes: {}\n", shapes);
  for (const std::string& remark : report.remarks) fmt::print("{}\n", remark);
}

}  // namespace

void add_import_folder(CLI::App& app) {
  auto flags = std::make_shared<ImportFolderFlags>();
  CLI::App* command =
      app.add_subcommand("import-folder", "make a dataset of a neutral folder (docs/neutral_folder.md)");
  command->add_option("folder", flags->folder, "holds *.json, a sequence each")->required();
  command->add_option("--out", flags->out, "the folder that is made")->required();
  add_map_class_flag(*command, flags->classes);
  add_visibility_flag(*command, flags->visibility);
  command->callback([flags] { import(*flags); });
}

}  // namespace bevgrad
