// What an exported model takes, for frames as the network takes them.
#pragma once
#include "export/onnx_parts.h"
#include "models/network.h"

namespace bevgrad {

/// The inputs of export_onnx by their names.
NamedTensors onnx_feeds(const NetworkOptions& options, const OnnxParts& parts, const NetworkInput& input,
                        const History& history, bool normalised_images);

}  // namespace bevgrad
