// The rows of the view transforms, with what judges their options.
#pragma once
#include <vector>

#include "train/parts.h"

namespace bevgrad {

std::vector<ViewTransformKind> standard_view_transforms();

}  // namespace bevgrad
