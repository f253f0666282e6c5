// The map as vectors as nodes of an ONNX graph.
#pragma once
#include "export/onnx_map.h"
#include "tasks/vector_map/options.h"

namespace bevgrad {

/// How found_vectors decodes.
struct VectorCoding {
  LabelGrid grid;
  int points = 10;
  double threshold = 0.3;
};

/// VectorHead in evaluation: "vector_logits", and the output "vector_points". With candidates the output
/// "vector_candidates" [N,max_vectors,2 * points + 2]: what vector_tables gives, the points' x and y, score, class.
OnnxMaps export_vector_head(OnnxLayers& layers, const OnnxMap& feature, const VectorHeadOptions& options,
                            const VectorCoding& coding);

}  // namespace bevgrad
