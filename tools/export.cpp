// bevgrad export: a trained network as an ONNX model.
#include "deploy/onnx_export.h"

#include <CLI/CLI.hpp>
#include <map>
#include <memory>

#include "base/error.h"
#include "common_options.h"
#include "subcommands.h"

namespace bevgrad {
namespace {

const std::map<std::string, OnnxPrecision> kPrecisions = {{"float32", OnnxPrecision::Float32},
                                                          {"float16", OnnxPrecision::Float16},
                                                          {"bfloat16", OnnxPrecision::BFloat16},
                                                          {"int8", OnnxPrecision::Int8},
                                                          {"int8-signed", OnnxPrecision::Int8Signed}};

}  // namespace

void add_export(CLI::App& app, const Parts& parts) {
  struct Flags {
    ConfigFlags config;
    OnnxExportOptions options;
    std::string precision = "float32";
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
  command->add_flag("--candidates", flags->options.candidates,
                    "also outputs instance_candidates and box_candidates: decoded, before non-maximum suppression");
  command
      ->add_option("--precision", flags->precision,
                   "float32, float16, bfloat16 (weights alone), int8 or int8-signed (calibrated on data.train)")
      ->check(CLI::IsMember(kPrecisions));
  command
      ->add_option("--calibration-frames", flags->options.calibration_frames,
                   "of data.train, for int8 where the config has no ranges (`bevgrad calibrate`)")
      ->check(CLI::Range(1, 100000));
  CLI::Option* frames = command->add_option("--frames", flags->options.frames, "an input file of `bevgrad predict`")
                            ->check(CLI::ExistingFile);
  CLI::Option* feeds =
      command->add_option("--feeds", flags->options.feeds, "HDF5: what the model takes for each of these frames");
  CLI::Option* val_frames =
      command->add_option("--val-frames", flags->options.val_frames, "instead of --frames: the first ones of data.val")
          ->check(CLI::Range(1, 1000000));
  CLI::Option* labels =
      command->add_option("--labels", flags->options.labels, "HDF5: their labels, for `bevgrad eval`");
  frames->needs(feeds);
  val_frames->needs(feeds)->excludes(frames);
  labels->needs(val_frames);
  command->footer("Inputs and outputs with their sizes: docs/export.md.");
  command->callback([flags] {
    const configs::Document document = flags->config.load();
    flags->config.prepare_device();
    if (!flags->options.feeds.empty() && flags->options.frames.empty() && flags->options.val_frames == 0)
      throw UsageError("export: --feeds needs --frames or --val-frames");
    flags->options.precision = kPrecisions.at(flags->precision);
    RunLog log;
    export_onnx(document, flags->options, log, *flags->config.parts);
  });
}

}  // namespace bevgrad
