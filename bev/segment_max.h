// The maximum over each pillar's points.
#pragma once
#include "autograd/autograd.h"

namespace bevgrad {

/// Maximum over runs of rows. x [rows, C]; offsets int64 [S+1] on the CPU, rising from 0 to the number of rows: segment
/// s is rows offsets[s] .. offsets[s+1]. -> [S, C]. `floor` [C] (optional) takes part in the maximum of every segment
/// that has fewer than `slots` rows: the value of an empty slot, to which the gradient flows where it wins. Without a
/// floor an empty segment is an error. Of equal maxima the first row gets the gradient, the floor only what exceeds
/// every row.
Tensor segment_max(const Tensor& x, const Tensor& offsets, const Tensor& floor = {}, int64_t slots = 0);

}  // namespace bevgrad
