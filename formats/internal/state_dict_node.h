// Where a checkpoint keeps its parameters.
#pragma once
#include <optional>

#include "formats/value.h"

namespace bevgrad {

/// The mapping under "state_dict", "model_state_dict", "model", "net", ..., or the root itself; nothing where the root
/// is no mapping. Throws where what lies there is a pickled whole module.
std::optional<NodeId> find_state_dict(const Document& document);

}  // namespace bevgrad
