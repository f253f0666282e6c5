// deploy/ is where trained networks run: models for other runtimes, the server of streams, the C API. Not here: how a
// network looks as nodes of another format (export/ and the tasks), the command line (tools/).
//
// This file: a network as an ONNX model (https://onnx.ai, opset 17), of standard operators alone.
#pragma once
#include <string>

#include "configs/document.h"
#include "export/precision.h"
#include "train/logging/run_log.h"
#include "train/parts.h"

namespace bevgrad {

struct OnnxExportOptions {
  std::string ckpt;
  std::string out;  ///< the model, "map.onnx"
  /// Two models, as they are deployed: "map.encoder.onnx" up to bev_fused, "map.decoder.onnx" from it.
  bool split = false;
  /// The images are float32 that is normalised already, instead of uint8 RGB.
  bool normalised_images = false;
  /// Outputs beside the maps: the objects that they hold, before those that overlap are dropped.
  bool candidates = false;
  OnnxPrecision precision = OnnxPrecision::Float32;
  /// Int8, where the config has no int8.convs: frames of its training lists over which activations are measured.
  int64_t calibration_frames = 32;
  /// Optional: an input file of `bevgrad predict`, or the first `val_frames` frames of the config's val sets, whose
  /// labels go to the file `labels` for `bevgrad eval`; and the file that then holds what the model takes for each of
  /// them.
  std::string frames = {};
  int64_t val_frames = 0;
  std::string labels = {};
  std::string feeds = {};
};

/// Writes the model that docs/export.md describes, with its inputs and outputs: the maps of the network under their
/// names in `predict`. Batch norms are folded into the convolutions. Inputs and outputs are of the same types whatever
/// the precision. Throws UsageError naming the stage for a part that has no form in ONNX here.
void export_onnx(const configs::Document& document, const OnnxExportOptions& options, RunLog& log, const Parts& parts);

}  // namespace bevgrad
