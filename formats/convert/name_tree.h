// The tensors of a checkpoint as a tree of the parts of their names, with sums.
#pragma once
#include <string>

#include "formats/state_dict.h"

namespace bevgrad {

/// One line a part of the names ("layer1", below it "0", "conv1", ...): how many tensors, values and bytes are below
/// it, or of a tensor its dtype and shape. `depth` levels at most; 0 shows all. Parameters are named as in the state
/// dict, other tensors by where they are.
std::string name_tree(const CheckpointFile& file, size_t depth);

}  // namespace bevgrad
