// Maps in an ONNX graph: what a task says of its head.
#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace bevgrad {

class OnnxLayers;

/// A feature map [batch,channels,height,width]; the batch is known when the model runs.
struct OnnxMap {
  std::string value;
  int64_t channels = 0, height = 0, width = 0;
};

/// Maps under their public names.
using OnnxMaps = std::vector<std::pair<std::string, OnnxMap>>;

}  // namespace bevgrad
