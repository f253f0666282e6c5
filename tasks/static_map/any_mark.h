// Any lane mark as one class: what a network should see before it can tell the types apart.
#pragma once
#include "tensor/tensor.h"

namespace bevgrad {

/// Of labels [N,C,H,W] (uint8: 0, 1, 255): [N,1,H,W], 1 where a class marks the cell, else 255 where a class ignores
/// it, else 0. On the labels' device.
Tensor any_mark_labels(const Tensor& labels);

}  // namespace bevgrad
