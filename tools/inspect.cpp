// bevgrad inspect: what is in a checkpoint.
#include "formats/convert/inspect.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "subcommands.h"

namespace bevgrad {

namespace {

void print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
}

void print_globals(const std::string& path, bool json) {
  try {
    const CheckpointFile file = open_checkpoint(path, Foreign::Allow);
    print(globals_text(path, list_globals(*file.document), json));
  } catch (const BrokenPickle& broken) {
    print(globals_text(path, broken.globals, json));
    throw;
  }
}

}  // namespace

void add_inspect(CLI::App& app) {
  struct Flags {
    std::string file;
    InspectOptions options;
    bool globals = false;
  };
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand("inspect", "show a checkpoint's names, shapes, dtypes, storages and metadata");
  command->add_option("FILE", flags->file, "any checkpoint")->required()->check(CLI::ExistingFile);
  command->add_flag("--json", flags->options.json, "as JSON");
  command->add_flag("--stats", flags->options.stats,
                    "minimum, maximum, mean, standard deviation, NaN and Inf counts of every tensor");
  command->add_flag("--globals", flags->globals, "what the file's pickle would have imported and called");
  command->callback([flags] {
    if (flags->globals) return print_globals(flags->file, flags->options.json);
    print(inspect_checkpoint(open_checkpoint(flags->file), flags->options));
  });
}

}  // namespace bevgrad
