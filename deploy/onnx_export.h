// deploy/ is where trained networks run: models for other runtimes, the server of streams, the C API. Not here: how a
// network looks as nodes of another format (export/ and the tasks), the command line (tools/).
//
// This file: a network as an ONNX model (https://onnx.ai, opset 17), of standard operators alone.
#pragma once
#include <string>

#include "configs/document.h"
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
  /// Optional: an input file of `bevgrad predict`, and the file that then holds what the model takes for each of its
  /// frames.
  std::string frames = {}, feeds = {};
};

/// Inputs (N: samples, one batch size for all; V: pillars of all samples):
///   images_<group>    uint8 or float32 [N*cameras,3,H,W], sample-major
///   grid_<group>      float32 [N*cameras,heights*rows,columns,2]: where GridSample reads each point of the BEV grid
///   weight_<group>    float32 [N*cameras,1,heights*rows,columns]: 1 / cameras that see the point; 0 where this one
///   does not pillars           float32 [V,max_points,10], zeros in empty slots; pillar_cells int64 [V]: (sample*rows +
///   row)*columns + column history_features  float32 [N,history,C,Hb,Wb]: bev_fused of earlier frames, any number where
///   not valid feature_warp_matrix  float64 [N,history,2,3]; history_valid bool [N,history]
/// Outputs: the maps of the network under their names in `predict`. Batch norms are folded into the convolutions, all
/// is float32. Throws UsageError naming the stage for a part that has no form in ONNX here.
void export_onnx(const configs::Document& document, const OnnxExportOptions& options, RunLog& log, const Parts& parts);

}  // namespace bevgrad
