// What the parts of a network that can be swapped are in an ONNX graph: the types of the functions in their rows
// (train/parts.h).
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "export/onnx_map.h"
#include "geometry/camera.h"
#include "models/network_options.h"
#include "nn/module.h"

namespace bevgrad {

/// Normalised images [N*cameras,3,H,W] of a group -> the maps that the neck takes, finest first. `stage` is the
/// module's name, with which the names of its parameters begin.
using OnnxBackbone = std::vector<OnnxMap>(OnnxLayers&, const NetworkOptions&, const CameraGroupNetwork&,
                                          const std::string& stage, const OnnxMap& images);
/// A backbone's maps -> the group's feature map.
using OnnxNeck = OnnxMap(OnnxLayers&, const std::string& stage, const std::vector<OnnxMap>& maps);
/// The groups' feature maps -> [N,bev_channels,rows,columns]. What it needs of the calibration are inputs of its own.
using OnnxViewTransform = OnnxMap(OnnxLayers&, const NetworkOptions&, const std::vector<OnnxMap>& features);
/// These inputs by their names, for the rigs of a batch: cameras [N][all] in the groups' order.
using OnnxViewInputs = NamedTensors(const NetworkOptions&, const std::vector<std::vector<Camera>>& rigs);

struct OnnxTemporal {
  OnnxMap fused;
  std::string weights;  ///< [N,1+history,rows,columns]
};
/// bev_fused and the inputs of the history.
using OnnxTemporalFusion = OnnxTemporal(OnnxLayers&, const NetworkOptions&, const OnnxMap& current);

/// The functions of the parts that a config names.
struct OnnxParts {
  OnnxBackbone* backbone;
  OnnxNeck* neck;
  OnnxViewTransform* view_transform;
  std::function<OnnxViewInputs> view_inputs;
  OnnxTemporalFusion* temporal_fusion;  ///< null where the network has none
};

}  // namespace bevgrad
