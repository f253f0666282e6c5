// The usual losses, with PyTorch's names and definitions. Targets of classes are int64 on any device; other targets are
// tensors like the input, and get a gradient where they ask for one. Those of the network are in losses.h.
#pragma once
#include "autograd/autograd.h"

namespace bevgrad {

/// What becomes of the elements' losses: None keeps them, Mean divides their (weighted) sum by the (weighted) number.
enum class Reduction { None, Mean, Sum };

struct ClassLossOptions {
  /// One a class, of the input's dtype; undefined: 1 for all.
  Tensor weight = {};
  /// A target that counts for nothing.
  int64_t ignore_index = -100;
  /// Part of the target's weight that is spread over all classes evenly; cross_entropy only.
  double label_smoothing = 0;
  Reduction reduction = Reduction::Mean;
};

/// -log_probabilities[n, target[n], ..] (times the class's weight): input [N,C,..] or [C], targets int64 [N,..] or [].
Tensor nll_loss(const Tensor& log_probabilities, const Tensor& targets, const ClassLossOptions& options = {});
/// nll_loss of log_softmax(logits, 1). Targets of the logits' sizes and dtype are taken as probabilities.
Tensor cross_entropy(const Tensor& logits, const Tensor& targets, const ClassLossOptions& options = {});

/// -(t log p + (1 - t) log(1 - p)), logarithms no less than -100, as in PyTorch.
Tensor binary_cross_entropy(const Tensor& probabilities, const Tensor& targets, Reduction reduction = Reduction::Mean);
/// The same of p = sigmoid(logits), without overflow; `positive_weight` (or undefined; it broadcasts) weighs t log p.
Tensor binary_cross_entropy_with_logits(const Tensor& logits, const Tensor& targets, const Tensor& positive_weight = {},
                                        Reduction reduction = Reduction::Mean);

/// (x - t)^2 and |x - t|.
Tensor mse_loss(const Tensor& x, const Tensor& targets, Reduction reduction = Reduction::Mean);
Tensor l1_loss(const Tensor& x, const Tensor& targets, Reduction reduction = Reduction::Mean);
/// d^2 / (2 beta) where d = |x - t| is below beta, d - beta / 2 elsewhere; beta = 0: l1_loss.
Tensor smooth_l1_loss(const Tensor& x, const Tensor& targets, double beta = 1, Reduction reduction = Reduction::Mean);
/// d^2 / 2 where d is below delta, delta (d - delta / 2) elsewhere.
Tensor huber_loss(const Tensor& x, const Tensor& targets, double delta = 1, Reduction reduction = Reduction::Mean);
/// t (log t - x), 0 where t is 0: x are log-probabilities, targets probabilities. The mean is over all elements; the
/// divergence itself is the sum divided by the batch.
Tensor kl_div(const Tensor& x, const Tensor& targets, Reduction reduction = Reduction::Mean);

}  // namespace bevgrad
