// The static map as nodes of an ONNX graph.
#pragma once
#include "export/onnx_map.h"

namespace bevgrad {

/// StaticHead: its maps under their public names.
OnnxMaps export_static_head(OnnxLayers& layers, const OnnxMap& feature);

}  // namespace bevgrad
