// bevgrad convert: checkpoints from one format to another.
#include "formats/convert/convert.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cctype>
#include <charconv>
#include <filesystem>
#include <map>
#include <memory>

#include "base/error.h"
#include "base/signals.h"
#include "base/text.h"
#include "configs/load.h"
#include "formats/convert/against.h"
#include "formats/convert/folder.h"
#include "formats/sharded/folder.h"
#include "models/network.h"
#include "output.h"
#include "streamed_file.h"
#include "subcommands.h"
#include "tasks/task_list.h"
#include "train/options/from_config.h"
#include "train/parts.h"

namespace bevgrad {

namespace {

struct ConvertFlags {
  std::string in;
  std::string out;
  std::vector<std::string> renames;
  std::vector<std::string> prefixes;
  std::vector<std::string> select;
  std::string dtype;
  std::vector<std::string> casts;
  std::string format;
  std::string against;
  std::string max_shard;
  bool force = false;
  bool dry_run = false;
  const Parts* parts = nullptr;  ///< of the network that `against` describes
};

StoredDType floating_point_dtype(const std::string& flag, const std::string& name) {
  const bool known = name == "float32" || name == "float64" || name == "float16" || name == "bfloat16";
  if (!known) throw UsageError(fmt::format("{} {}: expected float32, float64, float16 or bfloat16", flag, name));
  return *stored_dtype_named(name);
}

/// "2GB", "500MB", "1.5GiB", or bytes.
uint64_t size_of(const std::string& text) {
  static const std::map<std::string, double> kUnits{{"", 1},         {"B", 1},           {"KB", 1e3},
                                                    {"MB", 1e6},     {"GB", 1e9},        {"TB", 1e12},
                                                    {"KIB", 1024.0}, {"MIB", 1048576.0}, {"GIB", 1073741824.0}};
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  std::string unit(end, text.data() + text.size());
  for (char& c : unit) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  const auto factor = kUnits.find(unit);
  if (error != std::errc() || factor == kUnits.end() || !(number * factor->second >= 1) ||
      number * factor->second > 1e18) {
    throw UsageError(fmt::format("--max-shard {}: expected a size as 2GB or 500MB", text));
  }
  return static_cast<uint64_t>(number * factor->second);
}

ConvertOptions options_of(const ConvertFlags& flags) {
  ConvertOptions options;
  options.names.strip_prefixes = flags.prefixes;
  options.names.select = flags.select;
  for (const std::string& rename : flags.renames) options.names.map.append(NameMap::load(rename));
  if (!flags.dtype.empty()) options.dtype = floating_point_dtype("--dtype", flags.dtype);
  for (const std::string& cast : flags.casts) {
    const size_t equals = cast.rfind('=');
    if (equals == std::string::npos || equals == 0) {
      throw UsageError(fmt::format("--cast {}: expected PATTERN=DTYPE", cast));
    }
    options.casts.emplace_back(cast.substr(0, equals),
                               floating_point_dtype("--cast " + cast + ":", cast.substr(equals + 1)));
  }
  if (!flags.max_shard.empty()) options.max_shard = size_of(flags.max_shard);
  options.dry_run = flags.dry_run;
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

void report_against(const ConvertFlags& flags, const CheckpointFile& file, const ConvertOptions& options) {
  const configs::Document config = [&] {
    try {
      return configs::load({.config = flags.against, .task_config = configs::task_config_from_environment()});
    } catch (const UsageError& error) {
      // The loader knows the flag under which runs get their config.
      std::string message = error.what();
      if (constexpr std::string_view kFlag = "--config"; message.starts_with(kFlag)) {
        message.replace(0, kFlag.size(), "--against");
      }
      throw UsageError(message);
    }
  }();
  Generator generator(0);
  const Network network(configs::network_options(config), generator, network_parts(config, *flags.parts));
  std::vector<ExpectedTensor> expected;
  for (const auto& [name, tensor] : network.state_dict()) expected.push_back({name, tensor.sizes()});
  if (options.names.empty()) {
    std::string prefix;
    const auto guesses = guess_maps(named_tensors(file), expected, file.path, &prefix);
    print(fmt::format("{} may be meant with\n", printable(flags.in, kPrintedWidth)) +
          guess_text(guesses, prefix, expected.size()));
  }
  const auto tensors = rename_tensors(named_tensors(file), options.names, file.path);
  print(match_against(tensors, expected).text(flags.in, flags.against));
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

/// What would be written: names before and after, in the order of the file.
std::string plan_text(const ConvertReport& report) {
  std::string out;
  for (size_t i = 0; i < report.parameters.size(); ++i) {
    const NamedTensor& tensor = report.parameters[i];
    const bool renamed = report.from[i] != tensor.name;
    out += fmt::format("  {}{}: {}\n", renamed ? printable(report.from[i], kPrintedWidth) + " -> " : std::string(),
                       printable(tensor.name, kPrintedWidth), describe(tensor.tensor));
  }
  return out;
}

std::string notes_text(const std::vector<std::string>& notes) {
  std::string out;
  for (const std::string& note : notes) out += "note: " + printable(note, kPrintedWidth) + "\n";
  return out;
}

std::string convert_to(const std::string& out, const ConvertFlags& flags, const ConvertOptions& options,
                       const std::string& target_name) {
  const CheckpointFile file = open_checkpoint(flags.in);
  if (!flags.against.empty()) report_against(flags, file, options);
  const StopSignals signals;
  const ConvertReport report = convert_checkpoint(file, out, options, progress_of(target_name));
  std::string target = printable(target_name, kPrintedWidth);
  if (report.files.size() > 1) target += fmt::format(" in {} shards", report.files.size() - 1);
  return (flags.dry_run ? plan_text(report) : std::string()) + notes_text(report.notes) +
         fmt::format("{} ({}) -> {}: {} tensors, {:.1f} MB{}\n", printable(flags.in, kPrintedWidth), name(file.format),
                     target, report.tensors, static_cast<double>(report.bytes) / 1e6,
                     flags.dry_run ? "; nothing was written" : "");
}

void convert_to_output(const ConvertFlags& flags, const ConvertOptions& options) {
  if (flags.format.empty()) throw UsageError("-: expected --format with what is to be written");
  if (!flags.against.empty() || options.max_shard > 0) throw UsageError("-: takes one file, and no report beside it");
  const StreamedFile file(extension_of(flags.format));
  fmt::print(stderr, "{}", convert_to(file.path(), flags, options, "standard output"));
  if (!flags.dry_run) file.send();
}

void convert_one(const ConvertFlags& flags, const ConvertOptions& options) {
  if (flags.out == "-") return convert_to_output(flags, options);
  std::error_code error;
  if (std::filesystem::equivalent(flags.in, flags.out, error)) {
    throw UsageError(flags.out + ": the file that is read cannot be the one that is written");
  }
  output_format(flags.out);
  if (!flags.force && !flags.dry_run && std::filesystem::exists(flags.out, error)) {
    throw UsageError(flags.out + ": it is there already (--force overwrites it)");
  }
  print(convert_to(flags.out, flags, options, flags.out));
}

void convert_many(const ConvertFlags& flags, const ConvertOptions& options) {
  if (!flags.against.empty())
    throw UsageError("--against: expects one checkpoint, " + flags.in + " is a folder of them");
  if (flags.dry_run) throw UsageError("--dry-run: expects one checkpoint, " + flags.in + " is a folder of them");
  if (options.max_shard > 0)
    throw UsageError("--max-shard: expects one checkpoint, " + flags.in + " is a folder of them");
  const auto done = [](const FolderResult& result) {
    if (result.skipped) {
      print(fmt::format("skipped: {}\n", printable(result.error, kPrintedWidth)));
    } else if (result.error.empty()) {
      print(fmt::format("{} -> {}\n", printable(result.from, kPrintedWidth), printable(result.to, kPrintedWidth)));
    } else {
      fmt::print(stderr, "bevgrad: {}\n", printable(result.error, kPrintedWidth));
    }
    print(notes_text(result.notes));
  };
  const StopSignals signals;
  const auto results = convert_folder(
      flags.in, flags.out, {.convert = options, .extension = extension_of(flags.format), .force = flags.force}, done,
      progress_of(flags.out));
  size_t failed = 0;
  size_t checkpoints = 0;
  for (const FolderResult& result : results) {
    if (result.skipped) continue;
    ++checkpoints;
    failed += result.error.empty() ? 0 : 1;
  }
  print(fmt::format("{} of {} checkpoints converted\n", checkpoints - failed, checkpoints));
  check(checkpoints > 0, "{}: no checkpoint is in it", flags.in);
  check(failed == 0, "{}: {} of {} checkpoints could not be converted", flags.in, failed, checkpoints);
}

/// Whether IN is one checkpoint rather than a folder of them.
bool is_one(const ConvertFlags& flags) {
  if (!std::filesystem::is_directory(flags.in)) return true;
  const auto format = folder_format(flags.in);
  if (!format) return latest_in(flags.in).has_value();
  // Beside its index a folder may hold other checkpoints: one file is made where one is named.
  return *format != FileFormat::Shards || flags.out == "-" || std::filesystem::path(flags.out).has_extension();
}

}  // namespace

void add_convert(CLI::App& app, const Parts& parts) {
  auto flags = std::make_shared<ConvertFlags>();
  flags->parts = &parts;
  CLI::App* command =
      app.add_subcommand("convert",
                         "convert checkpoints by content: .ckpt .pt .pth .bin .safetensors <-> .h5; also "
                         "shards, distributed checkpoints, .npz, .gguf, .onnx");
  command
      ->add_option("IN", flags->in,
                   "a checkpoint (a file, an index of shards, a folder that is one), or a folder of "
                   "them")
      ->required()
      ->check(existing_path_or_stdin());
  command
      ->add_option("OUT", flags->out,
                   "the file that is written, - for the standard output, or a folder where IN is one")
      ->required();
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
  command
      ->add_option("--cast", flags->casts,
                   "PATTERN=DTYPE: the parameters whose new name matches a pattern of * and ? as DTYPE; the last that "
                   "matches counts")
      ->type_size(1)
      ->allow_extra_args(false);
  command->add_option("--max-shard", flags->max_shard,
                      "cut what is written into shards of at most this size (2GB) with an index");
  command->add_flag("--force", flags->force, "overwrite what is there already");
  command->add_flag("--dry-run", flags->dry_run, "say what would be written, and write nothing");
  command->add_option("--format", flags->format,
                      "for a folder or the standard output: h5, ckpt, pt, pth, bin or safetensors");
  command->add_option(
      "--against", flags->against,
      "a config: report per module which of its parameters the file has, lacks or has in another shape");
  command->callback([flags] {
    const ConvertOptions options = options_of(*flags);
    if (is_one(*flags)) {
      convert_one(*flags, options);
    } else {
      convert_many(*flags, options);
    }
  });
}

}  // namespace bevgrad
