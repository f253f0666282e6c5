// The static map as nodes of an ONNX graph.
#pragma once
#include "export/onnx_map.h"
#include "tasks/static_map/instances.h"

namespace bevgrad {

/// StaticHead: its maps under their public names; with candidates `instance_candidates`, [N,max_instances,7]: what
/// decode_instances gives before its suppression, the score before the class.
OnnxMaps export_static_head(OnnxLayers& layers, const OnnxMap& feature, const InstanceDecodeOptions& coding);

}  // namespace bevgrad
