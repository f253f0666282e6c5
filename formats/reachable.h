// The nodes of a tree that its root leads to.
#pragma once
#include <vector>

#include "formats/value.h"

namespace bevgrad {

/// Every node that `document.root`, and then `document.metadata`, leads to, once, parents first, in the order of the
/// tree. Nodes that only helped to build others (storages that became tensors, say) are not among them.
std::vector<NodeId> reachable_nodes(const Document& document);

}  // namespace bevgrad
