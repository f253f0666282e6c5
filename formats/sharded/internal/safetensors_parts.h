// Distributed checkpoints whose parts are safetensors.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "formats/value.h"

namespace bevgrad {

/// In the metadata of such a part.
inline constexpr const char* kShardingInfo = "DCP_SHARDING_INFO";

/// Puts the parts, files of a folder, together. Throws Error where they leave holes or overlap.
std::shared_ptr<Document> read_safetensors_parts(const std::string& folder, std::vector<std::string> names);

}  // namespace bevgrad
