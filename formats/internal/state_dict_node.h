// Where a checkpoint keeps its parameters.
#pragma once
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "formats/value.h"

namespace bevgrad {

/// The mapping under "state_dict", "model_state_dict", "model", "net", ..., or the root itself; nothing where the root
/// is no mapping. Throws where what lies there is a pickled whole module.
std::optional<NodeId> find_state_dict(const Document& document);

/// The tensors under a mapping by name, nested mappings joined with dots; a mapping within itself is passed over. Keys
/// that are no texts are named as Python prints them; where two places would have one name, the later one gets "#2"
/// added. Throws, naming the document, where one mapping has a key twice.
std::vector<std::pair<std::string, NodeId>> parameter_nodes(const Document& document, NodeId mapping);

}  // namespace bevgrad
