// bevgrad compare: two checkpoints side by side.
#include "formats/convert/compare.h"

#include <CLI/CLI.hpp>
#include <map>
#include <memory>

#include "output.h"
#include "subcommands.h"

namespace bevgrad {

void add_compare(CLI::App& app) {
  struct Flags {
    std::string a;
    std::string b;
    CompareOptions options;
    size_t top = 20;
    bool json = false;
  };
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand(
      "compare", "compare everything in two checkpoints; exit status 0 where they are equal, 1 where they differ");
  command->add_option("A", flags->a, "any checkpoint; - for the standard input")
      ->required()
      ->check(existing_path_or_stdin());
  command->add_option("B", flags->b, "any checkpoint; - for the standard input")
      ->required()
      ->check(existing_path_or_stdin());
  command->add_option("--rtol", flags->options.rtol, "relative tolerance (0: bit for bit)")
      ->check(CLI::NonNegativeNumber);
  command->add_option("--atol", flags->options.atol, "absolute tolerance")->check(CLI::NonNegativeNumber);
  command
      ->add_option("--select", flags->options.select,
                   "compare only the names that match this pattern of * and ?; may be given several times")
      ->type_size(1)
      ->allow_extra_args(false);
  command->add_flag("--only-tensors", flags->options.only_tensors, "leave out numbers, texts and the structure");
  const std::map<std::string, CompareOrder> orders{{"max-abs", CompareOrder::MaxAbs},
                                                   {"relative", CompareOrder::Relative},
                                                   {"l2", CompareOrder::L2},
                                                   {"cosine", CompareOrder::Cosine},
                                                   {"name", CompareOrder::Name}};
  command
      ->add_option("--sort", flags->options.order,
                   "the tensors that differ by max-abs (default), relative, l2 (over that of B), cosine or name")
      ->transform(CLI::CheckedTransformer(orders));
  command->add_option("--top", flags->top, "lines of each kind of difference (default 20)");
  command->add_flag("--json", flags->json, "everything as JSON");
  command->callback([flags] {
    if (flags->a == "-" && flags->b == "-") throw UsageError("-: one of the two, the standard input is there once");
    const CompareReport report =
        compare_checkpoints(open_checkpoint(flags->a), open_checkpoint(flags->b), flags->options);
    print(flags->json ? report.json(flags->a, flags->b) : report.text(flags->a, flags->b, flags->top));
    check(report.same(), "{} and {} differ", flags->a, flags->b);
  });
}

}  // namespace bevgrad
