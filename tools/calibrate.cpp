// bevgrad calibrate: ranges of activations, for what computes in 8 bits.
#include "deploy/calibration.h"

#include <CLI/CLI.hpp>
#include <memory>

#include "common_options.h"
#include "subcommands.h"

namespace bevgrad {

void add_calibrate(CLI::App& app, const Parts& parts) {
  struct Flags {
    ConfigFlags config;
    CalibrationOptions options;
  };
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand("calibrate", "measure a trained network for computing in 8 bits");
  flags->config.add_to(*command, parts);
  command->add_option("--ckpt", flags->options.ckpt, "a .ckpt, .pt or .h5")->required()->check(CLI::ExistingFile);
  command->add_option("--frames", flags->options.frames, "of data.train, out of several drives")
      ->check(CLI::Range(1, 100000));
  command->add_option("--out", flags->options.out, "the config with these ranges, int8.prototxt")->required();
  command->footer(
      "With the config that is written `predict` and `run --state val` compute in 8 bits, `export --precision int8` "
      "takes\n"
      "the ranges from it, and a training learns with the rounding (docs/export.md).");
  command->callback([flags] {
    const configs::Document document = flags->config.load();
    flags->config.prepare_device();
    RunLog log;
    write_int8_config(document, flags->options, log, *flags->config.parts);
  });
}

}  // namespace bevgrad
