// The configs that are part of the program; the table is made by the build from configs/*.prototxt.
#pragma once
#include <map>
#include <string>

namespace bevgrad::configs {

/// By name without suffix.
const std::map<std::string, std::string>& shipped_configs();

}  // namespace bevgrad::configs
