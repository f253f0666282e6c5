// `bevgrad predict`: a stream of frames from one HDF5 file through the network into another.
#pragma once
#include <string>
#include <vector>

#include "configs/document.h"
#include "tensor/device.h"
#include "train/logging/run_log.h"
#include "train/parts.h"

namespace bevgrad {

struct PredictOptions {
  std::string ckpt;
  std::string inputs;
  std::string outputs;
  /// Modules whose outputs are wanted too: "tap/<module>".
  std::vector<std::string> taps;
  /// bfloat16 in backbones and necks; float32 everywhere otherwise, whatever the config says.
  bool amp = false;
  /// Where the network computes.
  Device device = {};
};

/// Inputs: `images` [N,cams,3,H,W], uint8 or normalised floats (or, where sizes differ, images/<camera> [N,3,H,W]),
/// `intrinsics` [N,cams,3,3], `distortion` [N,cams,5] (8 of rational ones), `sensor2ego` [N,cams,4,4], `points/<i>`
/// [P_i,4], and for temporal fusion `ego_pose` [N,4,4], `timestamp` [N], `sequence` [N]. Samples are streamed in order,
/// cameras are in the config's order; their models and fields of view are the config's.
///
/// Outputs, float32, rows = samples: every map of NetworkOutput by its name and what the tasks decode from them
/// (`instances`, `instance_scores`, `boxes`); taps are joined along their first dimension. Throws in one line that
/// names the file and the dataset.
void predict(const configs::Document& document, const PredictOptions& options, RunLog& log,
             const Parts& parts = standard_parts());

}  // namespace bevgrad
