// bevgrad predict: frames from an HDF5 file through the network into another.
#include "train/predictor.h"

#include <CLI/CLI.hpp>
#include <memory>

#include "common_options.h"
#include "subcommands.h"

namespace bevgrad {

void add_predict(CLI::App& app) {
  struct Flags {
    ConfigFlags config;
    PredictOptions options;
  };
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand("predict", "run the network on the frames of an HDF5 file");
  flags->config.add_to(*command);
  command->add_option("--ckpt", flags->options.ckpt, "a .ckpt, .pt or .h5")->required()->check(CLI::ExistingFile);
  command
      ->add_option("--inputs", flags->options.inputs,
                   "an HDF5 file: images, intrinsics, distortion, sensor2ego, points/<i>, ...")
      ->required()
      ->check(CLI::ExistingFile);
  command->add_option("--outputs", flags->options.outputs, "the HDF5 file that is written")->required();
  command->add_option("--tap", flags->options.taps, "a module whose output is written too, as tap/<module>")
      ->type_size(1)
      ->allow_extra_args(false);
  command->add_flag("--amp", flags->options.amp, "bfloat16 in backbones and necks");
  command->callback([flags] {
    const configs::Document document = flags->config.load();
    flags->config.prepare_device();
    flags->options.device = flags->config.compute_device();
    RunLog log;
    predict(document, flags->options, log);
  });
}

}  // namespace bevgrad
