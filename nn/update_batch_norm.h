// Running statistics measured anew, for weights that no forward pass in training has had: averaged ones, say.
#pragma once
#include <functional>

#include "nn/module.h"

namespace bevgrad {

/// The running mean and variance of every BatchNorm below `root` that is not frozen become the mean of those of the
/// batches, as torch.optim.swa_utils.update_bn has it. `forward` runs one batch through the network, in training and
/// without recording, and returns false when there was none left:
///   update_batch_norm(net, [&] { const auto batch = loader.next(); if (batch) net.forward(batch->at(0)); return
///   batch.has_value(); });
/// Modules are in training or not afterwards as they were before. Throws Error where there is not one batch.
void update_batch_norm(Module& root, const std::function<bool()>& forward);

}  // namespace bevgrad
