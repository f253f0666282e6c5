// Values of one document in another.
#pragma once
#include "formats/value.h"

namespace bevgrad {

/// Copies what `id` leads to, shared and circular parts as they are; tensors go on sharing their storages.
NodeId copy_tree(const Document& from, NodeId id, Document& to);

}  // namespace bevgrad
