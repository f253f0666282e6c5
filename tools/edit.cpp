// bevgrad edit: entries of a checkpoint dropped and renamed.
#include "formats/convert/edit.h"

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>

#include "base/error.h"
#include "base/text.h"
#include "formats/convert/convert.h"
#include "formats/convert/edit_in_place.h"
#include "output.h"
#include "subcommands.h"

namespace bevgrad {

namespace {

struct EditFlags {
  std::string in;
  std::string out;
  std::vector<std::string> drop;
  std::vector<std::string> rename;
  bool in_place = false;
  bool force = false;
  bool dry_run = false;
};

void print_changes(const EditReport& edited, const EditFlags& flags) {
  for (const std::string& place : edited.dropped) print("dropped: " + printable(place, kPrintedWidth) + "\n");
  for (const std::string& line : edited.renamed) print("renamed: " + printable(line, kPrintedWidth) + "\n");
  for (const std::string& line : edited.unused) print("note: " + printable(line, kPrintedWidth) + "\n");
  check(!edited.entries.empty(), "{}: nothing in it was to be changed", flags.in);
}

void change_in_place(const EditFlags& flags, const EditOptions& options) {
  print_changes(edit_in_place(flags.in, options, flags.dry_run), flags);
  print(fmt::format("{}: {}\n", printable(flags.in, kPrintedWidth),
                    flags.dry_run ? "would be changed in place; nothing was written" : "changed in place"));
}

void edit(const EditFlags& flags) {
  EditOptions options{.drop = flags.drop};
  for (const std::string& rename : flags.rename) {
    const size_t equals = rename.find('=');
    if (equals == std::string::npos || equals == 0) throw UsageError("--rename " + rename + ": expected OLD=NEW");
    options.rename.emplace_back(rename.substr(0, equals), rename.substr(equals + 1));
  }
  if (options.drop.empty() && options.rename.empty()) throw UsageError("nothing to do: expected --drop or --rename");
  if (flags.in_place == !flags.out.empty()) throw UsageError("expected either OUT, the file to write, or --in-place");
  if (flags.in_place) return change_in_place(flags, options);
  std::error_code error;
  if (std::filesystem::equivalent(flags.in, flags.out, error)) {
    throw UsageError(flags.out + ": the file that is read cannot be the one that is written");
  }
  if (!flags.force && !flags.dry_run && std::filesystem::exists(flags.out, error)) {
    throw UsageError(flags.out + ": it is there already (--force overwrites it)");
  }
  CheckpointFile file = open_checkpoint(flags.in);
  print_changes(edit_checkpoint(file, options), flags);
  const ConvertReport report = convert_checkpoint(file, flags.out, {.dry_run = flags.dry_run});
  for (const std::string& note : report.notes) print("note: " + printable(note, kPrintedWidth) + "\n");
  print(fmt::format("{} -> {}: {} tensors{}\n", printable(flags.in, kPrintedWidth), printable(flags.out, kPrintedWidth),
                    report.tensors, flags.dry_run ? "; nothing was written" : ""));
}

}  // namespace

void add_edit(CLI::App& app) {
  auto flags = std::make_shared<EditFlags>();
  CLI::App* command = app.add_subcommand("edit", "drop and rename entries of a checkpoint; everything else stays");
  command->add_option("IN", flags->in, "any checkpoint")->required()->check(existing_path_or_stdin());
  command->add_option("OUT", flags->out, "the file that is written, in the format of its extension");
  command
      ->add_option("--drop", flags->drop,
                   "places as inspect shows them, keys joined with dots: patterns of * and ? (optimizer_states, ema.*)")
      ->type_size(1)
      ->allow_extra_args(false);
  command->add_option("--rename", flags->rename, "OLD=NEW: a place, and the same with another last key")
      ->type_size(1)
      ->allow_extra_args(false);
  command->add_flag(
      "--in-place", flags->in_place,
      "change IN itself without copying its values, so that a crash leaves the old or the new file: renames in "
      "safetensors (which fit the header), renames and drops in HDF5 (whose values stay in the file); others are "
      "refused");
  command->add_flag("--force", flags->force, "overwrite what is there already");
  command->add_flag("--dry-run", flags->dry_run, "say what would be changed, and write nothing");
  command->callback([flags] { edit(*flags); });
}

}  // namespace bevgrad
