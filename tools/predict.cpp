// bevgrad predict: frames from an HDF5 file through the network into another; or frames that go on coming.
#include "train/predictor.h"

#include <CLI/CLI.hpp>
#include <memory>

#include "base/error.h"
#include "common_options.h"
#include "deploy/stream_server.h"
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
    "tap/<module>. All datasets with their sizes, columns and units: docs/prediction.md.\n"
    "Streams (--stream): records on the standard input or a Unix socket, or files of a folder that grows; a line of\n"
    "JSON for each frame, with its lanes, instances, boxes and times.";

}  // namespace

void add_predict(CLI::App& app, const Parts& parts) {
  struct Flags {
    ConfigFlags config;
    PredictOptions options;
    StreamServerOptions server;
  };
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand("predict", "run the network on frames of a file, or that go on coming");
  flags->config.add_to(*command, parts);
  command->add_option("--ckpt", flags->options.ckpt, "a .ckpt, .pt or .h5")->required()->check(CLI::ExistingFile);
  CLI::Option* inputs =
      command->add_option("--inputs", flags->options.inputs, "an HDF5 file, see below")->check(CLI::ExistingFile);
  CLI::Option* outputs = command->add_option("--outputs", flags->options.outputs, "the HDF5 file that is written");
  CLI::Option* stream = command->add_option("--stream", flags->server.source,
                                            "instead of --inputs: - (standard input), unix:PATH, or a folder");
  CLI::Option* rasters = command->add_option("--rasters", flags->server.rasters,
                                             "a folder for the rasters of a stream, <stream>-<frame>.h5");
  inputs->needs(outputs);
  outputs->needs(inputs);
  stream->excludes(inputs);
  rasters->needs(stream);
  CLI::Option* tap =
      command->add_option("--tap", flags->options.taps, "a module whose output is written too, as tap/<module>")
          ->type_size(1)
          ->allow_extra_args(false);
  tap->needs(inputs);
  command->add_flag("--amp", flags->options.amp, "bfloat16 in backbones and necks");
  command->footer(kFiles);
  command->callback([flags] {
    const configs::Document document = flags->config.load();
    flags->config.prepare_device();
    flags->options.device = flags->config.compute_device();
    if (!flags->server.source.empty()) {
      flags->server.network = {.ckpt = flags->options.ckpt, .amp = flags->options.amp, .device = flags->options.device};
      RunLog quiet("", true);  // the standard output is for answers
      serve_streams(document, flags->server, quiet, *flags->config.parts);
      return;
    }
    if (flags->options.inputs.empty()) throw UsageError("predict: --inputs and --outputs, or --stream, are missing");
    RunLog log;
    predict(document, flags->options, log, *flags->config.parts);
  });
}

}  // namespace bevgrad
