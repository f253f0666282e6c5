// bevgrad merge: one checkpoint out of several.
#include "formats/convert/merge.h"

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>

#include "base/error.h"
#include "base/text.h"
#include "formats/convert/convert.h"
#include "formats/convert/join.h"
#include "formats/convert/lora.h"
#include "output.h"
#include "subcommands.h"

namespace bevgrad {

namespace {

struct MergeFlags {
  std::vector<std::string> in;
  std::string out;
  std::vector<double> weights;
  double moving_average = -1;
  double scale = 1;
  std::string base;
  std::string join;
  std::string lora;
  int64_t lora_rank = 0;
  bool force = false;
};

std::vector<double> weights_of(const MergeFlags& flags) {
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

/// Opens what is read; nothing of it may be what is written.
std::vector<CheckpointFile> open_all(const std::vector<std::string>& paths, const std::string& out) {
  std::vector<CheckpointFile> files;
  std::error_code error;
  for (const std::string& path : paths) {
    if (std::filesystem::equivalent(path, out, error)) {
      throw UsageError(out + ": a file that is read cannot be the one that is written");
    }
    files.push_back(open_checkpoint(path));
  }
  return files;
}

CheckpointFile joined(const MergeFlags& flags) {
  std::vector<std::string> paths = flags.in;
  if (paths.size() == 1) paths = tensor_parallel_parts(paths[0]);
  if (flags.join == "fsdp") return join_flat_parameters(open_all(paths, flags.out));
  const JoinRules rules = JoinRules::load(flags.join);
  return join_checkpoints(open_all(paths, flags.out), rules);
}

CheckpointFile with_lora(const MergeFlags& flags) {
  if (flags.in.size() != 1) throw UsageError("--lora: expects one checkpoint, that which the adapter was made for");
  auto files = open_all({flags.in[0], flags.lora}, flags.out);
  const auto settings = lora_settings(flags.lora);
  if (!settings) print("note: no adapter_config.json beside the adapter: its scale is taken for 1\n");
  return add_lora(std::move(files[0]), files[1], settings, flags.scale);
}

CheckpointFile extracted(const MergeFlags& flags) {
  if (flags.in.size() != 1 || flags.base.empty()) {
    throw UsageError("--lora-rank: expects one tuned checkpoint, and --base with what it was tuned from");
  }
  const auto files = open_all({flags.base, flags.in[0]}, flags.out);
  ExtractedLora lora = extract_lora(files[0], files[1], flags.lora_rank);
  print(fmt::format(
      "factors of rank {} for {} weights leave out {:.3g} % of their change; in adapter_config.json they have "
      "\"r\": {}, \"lora_alpha\": {}\n",
      flags.lora_rank, lora.weights, 100 * lora.left_out, flags.lora_rank, flags.lora_rank));
  for (const std::string& name : lora.unfactored) {
    print(fmt::format("note: '{}' differs too, but is no matrix: left out\n", printable(name, 200)));
  }
  return std::move(lora.adapter);
}

void merge(const MergeFlags& flags) {
  const bool combine = flags.join.empty() && flags.lora.empty() && flags.lora_rank == 0;
  const bool weighed = !flags.weights.empty() || flags.moving_average >= 0;
  if (!flags.join.empty() + !flags.lora.empty() + (flags.lora_rank > 0) > 1 ||
      (!combine && (weighed || (!flags.base.empty() && flags.lora_rank == 0)))) {
    throw UsageError("--join, --lora, --lora-rank and weights: one at a time");
  }
  std::error_code error;
  output_format(flags.out);
  if (!flags.force && std::filesystem::exists(flags.out, error)) {
    throw UsageError(flags.out + ": it is there already (--force overwrites it)");
  }
  const CheckpointFile merged = [&] {
    if (!flags.join.empty()) return joined(flags);
    if (!flags.lora.empty()) return with_lora(flags);
    if (flags.lora_rank > 0) return extracted(flags);
    const std::vector<double> weights = weights_of(flags);
    std::vector<std::string> paths = flags.in;
    if (!flags.base.empty()) paths.insert(paths.begin(), flags.base);
    MergedCheckpoint combined = merge_checkpoints(open_all(paths, flags.out), weights);
    if (const size_t kept = combined.kept.size(); kept > 0) {
      print(fmt::format("note: {} parameter(s) that are no floating-point numbers are those of {}: '{}'{}\n", kept,
                        printable(paths[0], 2000), printable(combined.kept[0], 200), kept > 1 ? ", ..." : ""));
    }
    return std::move(combined.file);
  }();
  const ConvertReport report = convert_checkpoint(merged, flags.out, {});
  for (const std::string& note : report.notes) print("note: " + printable(note, 2000) + "\n");
  print(
      fmt::format("{} -> {}: {} tensors\n", printable(flags.in[0], 2000), printable(flags.out, 2000), report.tensors));
}

}  // namespace

void add_merge(CLI::App& app) {
  auto flags = std::make_shared<MergeFlags>();
  CLI::App* command = app.add_subcommand("merge",
                                         "average checkpoints with the same parameters, add what several were trained "
                                         "to a base, join the parts of one that "
                                         "was cut by tensors, add or extract a low-rank adapter");
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
  command->add_option("--scale", flags->scale, "of --base and --lora (default 1)");
  command->add_option(
      "--join", flags->join,
      "the files are parts of one model, in the order of their ranks (or a folder with mp_rank_00, ...): a "
      "file of rules 'PATTERN -> cat AXIS', or megatron, or fsdp (flat parameters)");
  command->add_option("--lora", flags->lora, "add this low-rank adapter (PEFT) to the checkpoint")
      ->check(CLI::ExistingPath);
  command
      ->add_option("--lora-rank", flags->lora_rank,
                   "write the adapter of this rank that comes nearest to what the checkpoint differs from --base")
      ->check(CLI::Range(1, 4096));
  command->add_flag("--force", flags->force, "overwrite what is there already");
  command->callback([flags] { merge(*flags); });
}

}  // namespace bevgrad
