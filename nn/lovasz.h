// The Lovasz extension of the Jaccard loss: IoU as something that gradients can follow.
#pragma once
#include "autograd/autograd.h"

namespace bevgrad {

struct LovaszOptions {
  int64_t ignore_index = 255;
  /// Whether classes that no target has are left out of the mean.
  bool present_only = true;
};

/// Lovasz-softmax (Berman et al., CVPR 2018) over all places of a batch together: probabilities [N,C,..] (after a
/// softmax), targets int64 [N,..] -> the mean over the classes; 0 where no place counts.
Tensor lovasz_softmax(const Tensor& probabilities, const Tensor& targets, const LovaszOptions& options = {});

/// Lovasz hinge of the same paper for one class: logits of any sizes, targets int64 of these (1, 0 or ignored).
Tensor lovasz_hinge(const Tensor& logits, const Tensor& targets, int64_t ignore_index = 255);

}  // namespace bevgrad
