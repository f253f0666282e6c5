// bevgrad inspect: what is in a checkpoint.
#include "formats/convert/inspect.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>

#include "base/error.h"
#include "base/files.h"
#include "base/text.h"
#include "formats/convert/check.h"
#include "formats/convert/folder.h"
#include "formats/convert/inspect_html.h"
#include "formats/convert/name_tree.h"
#include "formats/convert/side_by_side.h"
#include "formats/convert/tensor_hash.h"
#include "formats/sharded/folder.h"
#include "output.h"
#include "subcommands.h"

namespace bevgrad {

namespace {

struct InspectFlags {
  std::string file;
  std::string other;
  InspectOptions options;
  bool globals = false;
  bool tree = false;
  bool check = false;
  bool hash = false;
  size_t depth = 0;
  std::string html;
  bool force = false;
};

/// A folder of checkpoints rather than one.
bool is_folder_of_many(const std::string& path) {
  std::error_code error;
  return std::filesystem::is_directory(path, error) && !folder_format(path) && !latest_in(path);
}

/// Exit status of one file.
int check_one(const std::string& path, bool json) {
  const TensorCheck report = check_checkpoint(open_checkpoint(path));
  print(report.text(path, json));
  return report.problems.empty() ? 0 : 1;
}

int judge_one(const std::string& path, bool json) {
  const GlobalsReport report = inspect_globals(path);
  print(report.text(path, json));
  return static_cast<int>(report.verdict);
}

void summarise_one(const std::string& path) {
  const CheckpointFile file = open_checkpoint(path);
  print(checkpoint_summary(file));
}

/// Goes on past bad files. Dangerous (1) outweighs a file that cannot be judged (2).
int inspect_folder(const InspectFlags& flags) {
  int status = 0;
  size_t checkpoints = 0;
  const auto worsen = [&](int other) { status = status == 1 || other == 1 ? 1 : std::max(status, other); };
  for (const std::string& path : files_in_folder(flags.file)) {
    try {
      // Of files that are no checkpoints nothing is said but where they are called like one.
      if (!is_called_a_checkpoint(path)) open_checkpoint(path, Foreign::Allow);
    } catch (const Error&) {
      continue;
    }
    ++checkpoints;
    try {
      if (flags.globals) {
        worsen(judge_one(path, flags.options.json));
      } else if (flags.check) {
        worsen(check_one(path, flags.options.json));
      } else {
        summarise_one(path);
      }
    } catch (const Error& error) {
      fmt::print(stderr, "bevgrad: {}\n", printable(error.what(), 2000));
      worsen(1);
    }
  }
  check(checkpoints > 0, "{}: no checkpoint is in it", flags.file);
  return status;
}

void write_html(const InspectFlags& flags) {
  std::error_code error;
  if (!flags.force && std::filesystem::exists(flags.html, error)) {
    throw UsageError(flags.html + ": it is there already (--force overwrites it)");
  }
  const CheckpointFile a = open_checkpoint(flags.file);
  std::optional<CheckpointFile> b;
  if (!flags.other.empty()) b = open_checkpoint(flags.other);
  write_text_file(flags.html, inspect_html(a, b ? &*b : nullptr));
}

void inspect(const InspectFlags& flags) {
  const bool json = flags.options.json;
  const int kinds = flags.globals + flags.tree + flags.check + flags.hash + (flags.html.empty() ? 0 : 1);
  if (kinds > 1) throw UsageError("--globals, --tree, --check, --hash and --html: one at a time");
  if (flags.depth != 0 && !flags.tree) throw UsageError("--depth: expects --tree");
  if ((flags.tree || !flags.html.empty()) && json) throw UsageError("--json: shows the tensors as a list, by itself");
  if (!flags.html.empty()) return write_html(flags);
  if (!flags.other.empty()) {
    if (kinds > 0 || flags.options.stats) throw UsageError("two files are shown as text, with --json or with --html");
    return print(side_by_side_text(open_checkpoint(flags.file), open_checkpoint(flags.other), json));
  }
  int status = 0;
  if (is_folder_of_many(flags.file)) {
    const bool plain = json && !flags.globals && !flags.check;
    if (flags.tree || flags.hash || flags.options.stats || plain) {
      throw UsageError(flags.file + ": a folder of checkpoints has a summary, --globals and --check");
    }
    status = inspect_folder(flags);
  } else if (flags.tree) {
    print(name_tree(open_checkpoint(flags.file), flags.depth));
  } else if (flags.hash) {
    print(hashes_text(open_checkpoint(flags.file), json));
  } else if (flags.check) {
    status = check_one(flags.file, json);
  } else if (flags.globals) {
    status = judge_one(flags.file, json);
  } else {
    print(inspect_checkpoint(open_checkpoint(flags.file), flags.options));
  }
  if (status != 0) throw CLI::RuntimeError(status);
}

}  // namespace

void add_inspect(CLI::App& app) {
  auto flags = std::make_shared<InspectFlags>();
  CLI::App* command = app.add_subcommand("inspect", "show a checkpoint's names, shapes, dtypes, storages and metadata");
  command
      ->add_option(
          "FILE", flags->file,
          "any checkpoint: a file, an index of shards, a folder that is one, or - for the standard input; or a "
          "folder of them")
      ->required()
      ->check(existing_path_or_stdin());
  command->add_option("OTHER", flags->other, "a second checkpoint, shown beside the first")->check(CLI::ExistingPath);
  command->add_flag("--json", flags->options.json, "as JSON");
  command->add_flag("--stats", flags->options.stats,
                    "minimum, maximum, mean, standard deviation, NaN and Inf counts of every tensor");
  command->add_flag("--globals", flags->globals,
                    "what the file's pickle would have imported and called, and a verdict: exit status 0 harmless, 1 "
                    "dangerous, 2 cannot tell");
  command->add_flag("--tree", flags->tree, "the tensors as a tree of the parts of their names, with sums");
  command->add_option("--depth", flags->depth, "levels of the tree (0: all)");
  command->add_flag(
      "--check", flags->check,
      "exit status 1 where tensors hold NaN or Inf, are all zero or denormal, or are copies of one another");
  command->add_flag("--hash", flags->hash,
                    "a hash of each tensor's dtype, shape and values: the same in every format and layout");
  command->add_option(
      "--html", flags->html,
      "write one page for a browser: tree, search, statistics, histograms; of two files their differences");
  command->add_flag("--force", flags->force, "overwrite the page");
  command->callback([flags] { inspect(*flags); });
}

}  // namespace bevgrad
