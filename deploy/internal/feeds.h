// What an exported model takes, for frames as the network takes them.
#pragma once
#include "models/network.h"

namespace bevgrad {

/// The inputs of export_onnx by their names.
NamedTensors onnx_feeds(const NetworkOptions& options, const NetworkInput& input, const History& history,
                        bool normalised_images);

}  // namespace bevgrad
