// bevgrad export: a trained network as an ONNX model.
#include "deploy/onnx_export.h"

#include <CLI/CLI.hpp>
#include <memory>

#include "common_options.h"
#include "subcommands.h"

namespace bevgrad {

void add_export(CLI::App& app, const Parts& parts) {
  struct Flags {
    ConfigFlags config;
    OnnxExportOptions options;
  };
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand("export", "write a trained network as an ONNX model");
  flags->config.add_to(*command, parts);
  command->add_option("--ckpt", flags->options.ckpt, "a .ckpt, .pt or .h5")->required()->check(CLI::ExistingFile);
  command->add_option("--out", flags->options.out, "the model, map.onnx")->required();
  command->add_flag("--split", flags->options.split,
                    "two models: map.encoder.onnx up to bev_fused, map.decoder.onnx from it");
  command->add_flag("--normalised-images", flags->options.normalised_images,
                    "images are float32 that is normalised already, not uint8 RGB");
  CLI::Option* frames = command->add_option("--frames", flags->options.frames, "an input file of `bevgrad predict`")
                            ->check(CLI::ExistingFile);
  CLI::Option* feeds =
      command->add_option("--feeds", flags->options.feeds, "HDF5: what the model takes for each of these frames");
  frames->needs(feeds);
  feeds->needs(frames);
  command->footer("Inputs and outputs with their sizes: docs/export.md.");
  command->callback([flags] {
    const configs::Document document = flags->config.load();
    flags->config.prepare_device();
    RunLog log;
    export_onnx(document, flags->options, log, *flags->config.parts);
  });
}

}  // namespace bevgrad
