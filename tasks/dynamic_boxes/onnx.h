// The boxes' head as nodes of an ONNX graph.
#pragma once
#include "export/onnx_map.h"

namespace bevgrad {

/// DynamicHead: its maps under their public names.
OnnxMaps export_dynamic_head(OnnxLayers& layers, const OnnxMap& feature);

}  // namespace bevgrad
