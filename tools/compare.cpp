// bevgrad compare: two checkpoints side by side.
#include "formats/convert/compare.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "subcommands.h"

namespace bevgrad {

void add_compare(CLI::App& app) {
  struct Flags {
    std::string a;
    std::string b;
    CompareOptions options;
  };
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand("compare", "compare two checkpoints; exit status 1 where they differ");
  command->add_option("A", flags->a, "any checkpoint")->required()->check(CLI::ExistingFile);
  command->add_option("B", flags->b, "any checkpoint")->required()->check(CLI::ExistingFile);
  command->add_option("--rtol", flags->options.rtol, "relative tolerance (0: bit for bit)")
      ->check(CLI::NonNegativeNumber);
  command->add_option("--atol", flags->options.atol, "absolute tolerance")->check(CLI::NonNegativeNumber);
  command->callback([flags] {
    const CompareReport report =
        compare_checkpoints(open_checkpoint(flags->a), open_checkpoint(flags->b), flags->options);
    const std::string text = report.text(flags->a, flags->b);
    std::fwrite(text.data(), 1, text.size(), stdout);
    check(report.same(), "{} and {} differ", flags->a, flags->b);
  });
}

}  // namespace bevgrad
