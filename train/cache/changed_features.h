// Augmentation of the ground on features that were computed without it.
#pragma once
#include <vector>

#include "data/augmentation/ego_change.h"
#include "models/network_io.h"
#include "models/network_options.h"

namespace bevgrad {

/// Brings features [N,C,H,W] on the CPU, in place, into the ego frames that their samples were changed to, and lets the
/// history's matrices lead from there. Bilinear, 0 where the old frame has nothing; sample n keeps its bits where
/// changes[n] is none. What a feature says of places within its cell does not turn with it: moves by whole cells are
/// exact, turns, scales and mirrored worlds are what they are worth.
void change_features(const Tensor& features, History& history, const std::vector<EgoChange>& changes,
                     const BevGrid& grid);

}  // namespace bevgrad
