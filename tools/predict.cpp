// bevgrad predict: frames from an HDF5 file through the network into another.
#include "train/predictor.h"

#include <CLI/CLI.hpp>
#include <memory>

#include "common_options.h"
#include "subcommands.h"

namespace bevgrad {

namespace {

constexpr const char* kFiles =
    "Input, HDF5; N samples are streamed in order, cameras stand in the config's order:\n"
    "  images      [N,cams,3,H,W] RGB at the config's size: uint8 0..255, which is normalised with sensors.mean and\n"
    "              sensors.std, or floating, which is taken as normalised already; where the camera groups differ in\n"
    "              size: images/<camera> [N,3,H,W]\n"
    "  intrinsics  [N,cams,3,3]    distortion [N,cams,5]    sensor2ego [N,cams,4,4]\n"
    "  points/<i>  [P_i,4] x, y, z, intensity of sample i in the ego frame (configs with LiDAR)\n"
    "  ego_pose    [N,4,4]    timestamp [N] in seconds    sequence [N] (configs with temporal fusion)\n"
    "Output, HDF5, float32, N rows: lane_logits, road_logits, instances, instance_scores, boxes, the feature maps and\n"
    "tap/<module>. All datasets with their sizes, columns and units: docs/prediction.md.";

}  // namespace

void add_predict(CLI::App& app, const Parts& parts) {
  struct Flags {
    ConfigFlags config;
    PredictOptions options;
  };
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand("predict", "run the network on the frames of an HDF5 file");
  flags->config.add_to(*command, parts);
  command->add_option("--ckpt", flags->options.ckpt, "a .ckpt, .pt or .h5")->required()->check(CLI::ExistingFile);
  command->add_option("--inputs", flags->options.inputs, "an HDF5 file, see below")
      ->required()
      ->check(CLI::ExistingFile);
  command->add_option("--outputs", flags->options.outputs, "the HDF5 file that is written")->required();
  command->add_option("--tap", flags->options.taps, "a module whose output is written too, as tap/<module>")
      ->type_size(1)
      ->allow_extra_args(false);
  command->add_flag("--amp", flags->options.amp, "bfloat16 in backbones and necks");
  command->footer(kFiles);
  command->callback([flags] {
    const configs::Document document = flags->config.load();
    flags->config.prepare_device();
    flags->options.device = flags->config.compute_device();
    RunLog log;
    predict(document, flags->options, log, *flags->config.parts);
  });
}

}  // namespace bevgrad
