// A document as JSON, for programs in other languages.
#pragma once
#include <string>
#include <unordered_map>

#include "formats/value.h"

namespace bevgrad {

/// What bevgrad_checkpoint_structure() gives; `tensors` has the number of each Tensor node. Throws Error, naming the
/// document, where it is nested too deeply.
std::string structure_json(const Document& document, const std::unordered_map<NodeId, size_t>& tensors);

}  // namespace bevgrad
