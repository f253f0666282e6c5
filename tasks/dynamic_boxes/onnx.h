// The boxes' head as nodes of an ONNX graph.
#pragma once
#include "export/onnx_map.h"
#include "tasks/dynamic_boxes/boxes.h"

namespace bevgrad {

/// DynamicHead: its maps under their public names; with candidates `box_candidates`, [N,max_candidates,11]: the columns
/// of decode_boxes before its suppression.
OnnxMaps export_dynamic_head(OnnxLayers& layers, const OnnxMap& feature, const BoxDecodeOptions& coding);

}  // namespace bevgrad
