// bevgrad import-av2: logs of Argoverse 2 as a dataset.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "data/import_av2.h"
#include "map_class_flag.h"
#include "subcommands.h"

namespace bevgrad {
namespace {

struct ImportAv2Flags {
  ImportAv2Options options;
  std::vector<std::string> classes;
  std::string visibility;
  std::string out;
};

void import(const ImportAv2Flags& flags) {
  ImportAv2Options options = flags.options;
  options.classes = map_class_changes(flags.classes);
  options.visibility = visibility_of(flags.visibility);
  const ImportAv2Report report = import_av2(flags.out, options);
  fmt::print("{} frames of {} logs with {} boxes and {} cameras in {}\n", report.frames, report.logs, report.boxes,
             report.cameras.size(), flags.out);
  std::string left_out;
  for (const auto& [label, count] : report.left_out)
    left_out += fmt::format("{}{} {}", left_out.empty() ? "" : ", ", count, label);
  if (!left_out.empty()) fmt::print("boxes of other classes, left out: {}\n", left_out);
  for (const std::string& remark : report.remarks) fmt::print("{}\n", remark);
}

}  // namespace

void add_import_av2(CLI::App& app) {
  auto flags = std::make_shared<ImportAv2Flags>();
  CLI::App* command = app.add_subcommand("import-av2", "make a dataset of logs of Argoverse 2's sensor dataset");
  command->add_option("logs", flags->options.logs, "the logs' folders")->required();
  command->add_option("--out", flags->out, "the folder that is made")->required();
  command
      ->add_option("--cameras", flags->options.cameras,
                   "cameras (default: the ring cameras that there are pictures of)")
      ->delimiter(',');
  add_map_class_flag(*command, flags->classes);
  add_visibility_flag(*command, flags->visibility);
  command->callback([flags] { import(*flags); });
}

}  // namespace bevgrad
