// The rows of the backbones, with what judges their options.
#pragma once
#include <vector>

#include "train/parts.h"

namespace bevgrad {

std::vector<BackboneKind> standard_backbones();

}  // namespace bevgrad
