// bevgrad convert: checkpoints from one format to another.
#include "formats/convert/convert.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>

#include "base/signals.h"
#include "configs/load.h"
#include "formats/convert/against.h"
#include "formats/convert/folder.h"
#include "models/network.h"
#include "subcommands.h"
#include "train/options/from_config.h"

namespace bevgrad {

namespace {

struct Flags {
  std::string in;
  std::string out;
  std::vector<std::string> renames;
  std::vector<std::string> prefixes;
  std::vector<std::string> select;
  std::string dtype;
  std::string format;
  std::string against;
  const Parts* parts = nullptr;  ///< of the network that `against` describes
};

ConvertOptions options_of(const Flags& flags) {
  ConvertOptions options;
  options.names.strip_prefixes = flags.prefixes;
  options.names.select = flags.select;
  for (const std::string& rename : flags.renames) options.names.map.append(NameMap::load(rename));
  if (!flags.dtype.empty()) {
    options.dtype = stored_dtype_named(flags.dtype);
    const bool known =
        flags.dtype == "float32" || flags.dtype == "float64" || flags.dtype == "float16" || flags.dtype == "bfloat16";
    if (!known) throw UsageError("--dtype " + flags.dtype + ": expected float32, float64, float16 or bfloat16");
  }
  return options;
}

std::string extension_of(const std::string& format) {
  if (format.empty()) return "";
  const std::string extension = "." + format;
  try {
    output_format("x" + extension);
  } catch (const UsageError&) {
    throw UsageError("--format " + format + ": expected h5, ckpt, pt, pth, bin or safetensors");
  }
  return extension;
}

void report_against(const Flags& flags, const CheckpointFile& file, const ConvertOptions& options) {
  const configs::Document config =
      configs::load({.config = flags.against, .task_config = configs::task_config_from_environment()});
  Generator generator(0);
  const Network network(configs::network_options(config), generator, network_parts(config, *flags.parts));
  std::vector<ExpectedTensor> expected;
  for (const auto& [name, tensor] : network.state_dict()) expected.push_back({name, tensor.sizes()});
  const auto tensors = rename_tensors(named_tensors(file), options.names, file.path);
  fmt::print("{}", match_against(tensors, expected).text(flags.in, flags.against));
}

/// A line on a terminal, and the end where a signal came.
ConvertProgress progress_of(const std::string& out) {
  const bool terminal = ::isatty(STDERR_FILENO) == 1;
  return [out, terminal](uint64_t done, uint64_t total) {
    if (const int signal = StopSignals::caught(); signal != 0) {
      throw Interrupted(signal, out + ": interrupted; it was not written");
    }
    if (terminal && total > 0) {
      fmt::print(stderr, "\r{:3d} % of {:.1f} MB{}", done * 100 / total, static_cast<double>(total) / 1e6,
                 done == total ? "\n" : "");
    }
  };
}

void convert_one(const Flags& flags, const ConvertOptions& options) {
  std::error_code error;
  if (std::filesystem::equivalent(flags.in, flags.out, error)) {
    throw UsageError(flags.out + ": the file that is read cannot be the one that is written");
  }
  output_format(flags.out);
  const CheckpointFile file = open_checkpoint(flags.in);
  if (!flags.against.empty()) report_against(flags, file, options);
  const StopSignals signals;
  const ConvertReport report = convert_checkpoint(file, flags.out, options, progress_of(flags.out));
  for (const std::string& note : report.notes) fmt::print("note: {}\n", note);
  fmt::print("{} ({}) -> {}: {} tensors, {:.1f} MB\n", flags.in, name(file.format), flags.out, report.tensors,
             static_cast<double>(report.bytes) / 1e6);
}

void convert_many(const Flags& flags, const ConvertOptions& options) {
  if (!flags.against.empty()) throw UsageError("--against: expects one file, " + flags.in + " is a folder");
  const auto done = [](const FolderResult& result) {
    if (result.error.empty()) {
      fmt::print("{} -> {}\n", result.from, result.to);
    } else {
      fmt::print(stderr, "bevgrad: {}\n", result.error);
    }
  };
  const StopSignals signals;
  const auto results =
      convert_folder(flags.in, flags.out, extension_of(flags.format), options, done, progress_of(flags.out));
  size_t failed = 0;
  for (const FolderResult& result : results) failed += result.error.empty() ? 0 : 1;
  fmt::print("{} of {} files converted\n", results.size() - failed, results.size());
  check(failed == 0, "{}: {} of {} files could not be converted", flags.in, failed, results.size());
}

}  // namespace

void add_convert(CLI::App& app, const Parts& parts) {
  auto flags = std::make_shared<Flags>();
  flags->parts = &parts;
  CLI::App* command =
      app.add_subcommand("convert", "convert checkpoints: .ckpt .pt .pth .bin .safetensors <-> .h5, by content");
  command->add_option("IN", flags->in, "a checkpoint, or a folder of them")->required()->check(CLI::ExistingPath);
  command->add_option("OUT", flags->out, "the file that is written, or a folder where IN is one")->required();
  std::string maps;
  for (const ReadyMadeMap& map : ready_made_maps()) maps += (maps.empty() ? "" : ", ") + std::string(map.name);
  command
      ->add_option(
          "--rename", flags->renames,
          "a file of rules 'PATTERN -> REPLACEMENT' (regular expressions, the first that matches counts), or one "
          "of " +
              maps)
      ->type_size(1)
      ->allow_extra_args(false);
  command->add_option("--strip-prefix", flags->prefixes, "cut this prefix from the names that have it")
      ->type_size(1)
      ->allow_extra_args(false);
  command->add_option("--select", flags->select, "keep the names that match this pattern of * and ?")
      ->type_size(1)
      ->allow_extra_args(false);
  command->add_option("--dtype", flags->dtype, "floating-point parameters as float32, float64, float16 or bfloat16");
  command->add_option("--format", flags->format, "for a folder: h5, ckpt, pt, pth, bin or safetensors");
  command->add_option(
      "--against", flags->against,
      "a config: report per module which of its parameters the file has, lacks or has in another shape");
  command->callback([flags] {
    const ConvertOptions options = options_of(*flags);
    if (std::filesystem::is_directory(flags->in)) {
      convert_many(*flags, options);
    } else {
      convert_one(*flags, options);
    }
  });
}

}  // namespace bevgrad
