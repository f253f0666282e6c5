// bevgrad generate: a dataset from nothing.
#include "data/generate.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <optional>

#include "base/error.h"
#include "base/signals.h"
#include "common_options.h"
#include "subcommands.h"
#include "train/logging/run_log.h"
#include "train/options/from_config.h"

namespace bevgrad {
namespace {

struct GenerateFlags {
  ConfigFlags config;
  std::string out;
  int64_t sequences = 0;
  std::optional<uint64_t> seed;
};

void generate(const GenerateFlags& flags) {
  const configs::Document document = flags.config.load();
  const config::Generator& generator = document.proto.generator();
  GenerateOptions options;
  options.scene = configs::scene_options(document);
  options.dataset = configs::dataset_options(document.proto, false);
  options.encoding.jpeg_quality = generator.jpeg_quality();
  options.sequences = generator.sequences();
  options.val_sequences = generator.val_sequences();
  if (flags.sequences > 0) {
    // The same share of them is for validation.
    options.val_sequences = flags.sequences * options.val_sequences / options.sequences;
    // Two at least, where the config has two: one drive of each kind of place.
    const int64_t least = std::min<int64_t>({2, generator.val_sequences(), flags.sequences - 1});
    options.val_sequences = std::max(least, options.val_sequences);
    options.sequences = flags.sequences;
  }
  options.seed = flags.seed.value_or(document.proto.seed());
  options.config_name = document.source;
  options.threads = flags.config.prepare_device();
  const StopSignals signals;
  RunLog log;
  double shown = 0;
  options.progress = [&](const GenerateProgress& progress) {
    if (progress.seconds - shown > (log.is_live() ? 0.2 : 5.0)) {
      shown = progress.seconds;
      Progress line;
      line.what = "generate";
      line.done = progress.sequences;
      line.total = progress.all_sequences;
      line.rate = static_cast<double>(progress.sequences) / progress.seconds;
      log.progress(line);
    }
    return StopSignals::caught() == 0;
  };
  if (!generate_dataset(flags.out, options))
    throw Interrupted(StopSignals::caught(),
                      fmt::format("stopped by {}; nothing is left behind", stop_cause(StopSignals::caught())));
  log.info(fmt::format("{} sequences, {} of them for validation, in {}", options.sequences, options.val_sequences,
                       flags.out));
}

}  // namespace

void add_generate(CLI::App& app, const Parts& parts) {
  auto flags = std::make_shared<GenerateFlags>();
  CLI::App* command = app.add_subcommand("generate", "make a dataset with the scene generator");
  flags->config.add_to(*command, parts);
  command->add_option("--out", flags->out, "the folder that is made")->required();
  command->add_option("--sequences", flags->sequences, "drives (default: the config's generator.sequences)")
      ->check(CLI::Range(1, 1000000));
  command->add_option("--seed", flags->seed, "seed (default: the config's)");
  command->callback([flags] { generate(*flags); });
}

}  // namespace bevgrad
