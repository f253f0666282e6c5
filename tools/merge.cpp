// bevgrad merge: one checkpoint out of several.
#include "formats/convert/merge.h"

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>

#include "base/error.h"
#include "base/text.h"
#include "formats/convert/convert.h"
#include "output.h"
#include "subcommands.h"

namespace bevgrad {

namespace {

struct Flags {
  std::vector<std::string> in;
  std::string out;
  std::vector<double> weights;
  double moving_average = -1;
  double scale = 1;
  std::string base;
  bool force = false;
};

std::vector<double> weights_of(const Flags& flags) {
  const size_t count = flags.in.size();
  const bool tasks = !flags.base.empty();
  if (!flags.weights.empty() + (flags.moving_average >= 0) + tasks > 1) {
    throw UsageError("--weights, --moving-average and --base: one at a time");
  }
  if (tasks) return task_weights(count, flags.scale);
  if (flags.moving_average >= 0) return moving_average_weights(count, flags.moving_average);
  if (flags.weights.empty()) return std::vector<double>(count, 1.0 / static_cast<double>(count));
  if (flags.weights.size() != count) {
    throw UsageError(fmt::format("--weights: {} numbers for {} files", flags.weights.size(), count));
  }
  return flags.weights;
}

void merge(const Flags& flags) {
  const std::vector<double> weights = weights_of(flags);
  std::vector<std::string> paths = flags.in;
  if (!flags.base.empty()) paths.insert(paths.begin(), flags.base);
  std::error_code error;
  output_format(flags.out);
  if (!flags.force && std::filesystem::exists(flags.out, error)) {
    throw UsageError(flags.out + ": it is there already (--force overwrites it)");
  }
  std::vector<CheckpointFile> files;
  for (const std::string& path : paths) {
    if (std::filesystem::equivalent(path, flags.out, error)) {
      throw UsageError(flags.out + ": a file that is read cannot be the one that is written");
    }
    files.push_back(open_checkpoint(path));
  }
  const CheckpointFile merged = merge_checkpoints(std::move(files), weights);
  const ConvertReport report = convert_checkpoint(merged, flags.out, {});
  for (const std::string& note : report.notes) print("note: " + printable(note, 2000) + "\n");
  print(fmt::format("{} files -> {}: {} tensors\n", paths.size(), printable(flags.out, 2000), report.tensors));
}

}  // namespace

void add_merge(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand(
      "merge", "average checkpoints with the same parameters, or add what several were trained to a base");
  command->add_option("IN", flags->in, "checkpoints; what is beside the state dict comes from the first")
      ->required()
      ->check(CLI::ExistingPath);
  command->add_option("-o,--out", flags->out, "the file that is written, in the format of its extension")->required();
  command->add_option("--weights", flags->weights, "a weight for each file (default: all the same, their sum 1)")
      ->delimiter(',');
  command
      ->add_option("--moving-average", flags->moving_average,
                   "an exponential moving average with this decay over the files, in the order of training")
      ->check(CLI::Range(0.0, 1.0));
  command->add_option("--base", flags->base, "add to this checkpoint --scale times what each file differs from it")
      ->check(CLI::ExistingPath);
  command->add_option("--scale", flags->scale, "of --base (default 1)");
  command->add_flag("--force", flags->force, "overwrite what is there already");
  command->callback([flags] { merge(*flags); });
}

}  // namespace bevgrad
