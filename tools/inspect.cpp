// bevgrad inspect: what is in a checkpoint.
#include "formats/convert/inspect.h"

#include <CLI/CLI.hpp>
#include <memory>

#include "base/error.h"
#include "formats/convert/check.h"
#include "formats/convert/name_tree.h"
#include "formats/convert/tensor_hash.h"
#include "output.h"
#include "subcommands.h"

namespace bevgrad {

void add_inspect(CLI::App& app) {
  struct Flags {
    std::string file;
    InspectOptions options;
    bool globals = false;
    bool tree = false;
    bool check = false;
    bool hash = false;
    size_t depth = 0;
  };
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand("inspect", "show a checkpoint's names, shapes, dtypes, storages and metadata");
  command
      ->add_option("FILE", flags->file,
                   "any checkpoint: a file, an index of shards, a folder that is one, or - for the standard input")
      ->required()
      ->check(existing_path_or_stdin());
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
  command->callback([flags] {
    const bool json = flags->options.json;
    if (flags->globals + flags->tree + flags->check + flags->hash > 1) {
      throw UsageError("--globals, --tree, --check and --hash: one at a time");
    }
    if (flags->depth != 0 && !flags->tree) throw UsageError("--depth: expects --tree");
    if (flags->tree && json) throw UsageError("--tree is text; --json shows the tensors as a list");
    if (flags->tree) return print(name_tree(open_checkpoint(flags->file), flags->depth));
    if (flags->hash) return print(hashes_text(open_checkpoint(flags->file), json));
    if (flags->check) {
      const TensorCheck report = check_checkpoint(open_checkpoint(flags->file));
      print(report.text(flags->file, json));
      if (!report.problems.empty()) throw CLI::RuntimeError(1);
      return;
    }
    if (!flags->globals) return print(inspect_checkpoint(open_checkpoint(flags->file), flags->options));
    const GlobalsReport report = inspect_globals(flags->file);
    print(report.text(flags->file, flags->options.json));
    if (report.verdict != Verdict::Harmless) throw CLI::RuntimeError(static_cast<int>(report.verdict));
  });
}

}  // namespace bevgrad
