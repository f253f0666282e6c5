// A checkpoint as a list of what it holds, by name.
#pragma once
#include <string>
#include <vector>

#include "formats/state_dict.h"

namespace bevgrad {

struct Leaf {
  std::string name;
  NodeId id = 0;
  /// Of everything but tensors: the value, or the kind of a container.
  std::string text = {};
  /// A parameter by its name in the state dict, without prefixes that all of them share.
  bool parameter = false;
};

/// Parameters first, then everything else in the order of the file, containers before what they hold. A value within
/// itself is a leaf that says so. Throws, naming the file, where the structure unfolds to too much.
std::vector<Leaf> leaves_of(const CheckpointFile& file);

}  // namespace bevgrad
