// The losses of the network. Each is a scalar; logits are [N,C,H,W] of any floating dtype, computed in float32 (float64
// for float64). Targets may be on the CPU where the logits are on a GPU; cells must be.
#pragma once
#include <vector>

#include "autograd/autograd.h"

namespace bevgrad {

/// The label of a cell that counts for nothing.
inline constexpr int kIgnoredTarget = 255;

struct FocalOptions {
  double alpha = 0.25;
  double gamma = 2.0;
  /// One a class; empty: 1 for all.
  std::vector<double> class_weights = {};
};

/// Sigmoid focal loss (Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017; the form of torchvision's
/// sigmoid_focal_loss), summed and divided by the number of positives (at least 1):
///   -alpha (1-p)^gamma log p where the target is 1, -(1-alpha) p^gamma log(1-p) where it is 0, p = sigmoid(logit),
/// times the class's weight. targets: uint8 [N,C,H,W], 0, 1 or kIgnoredTarget; another label is an error.
Tensor sigmoid_focal_loss(const Tensor& logits, const Tensor& targets, const FocalOptions& options = {});

struct DiceOptions {
  double smooth = 1.0;
  std::vector<double> class_weights = {};
};

/// Soft Dice loss (Milletari et al., "V-Net", 3DV 2016, with the sums of p instead of p^2), per class over the whole
/// batch: 1 - (2 sum p t + smooth) / (sum p + sum t + smooth), then the weighted mean over the classes. Ignored cells
/// count nowhere. Targets as in sigmoid_focal_loss.
Tensor soft_dice_loss(const Tensor& logits, const Tensor& targets, const DiceOptions& options = {});

struct GaussianFocalOptions {
  double alpha = 2.0;
  double beta = 4.0;
};

/// CenterNet's focal loss on heat maps (Zhou et al., "Objects as Points", 2019, equation 1), summed and divided by the
/// number of peaks (targets of exactly 1; at least 1):
///   -(1-p)^alpha log p at a peak, -(1-t)^beta p^alpha log(1-p) elsewhere.
/// targets: floating [N,C,H,W] in [0, 1]; a negative target is ignored.
Tensor gaussian_focal_loss(const Tensor& logits, const Tensor& targets, const GaussianFocalOptions& options = {});

/// L1 at objects' centres: predicted [N,C,H,W]; cells int64 [M], flat indices (n * H + row) * W + column; targets [M,C]
/// of predicted's dtype, NaN where there is no target; weights: one a channel (empty: 1). The weighted sum of absolute
/// differences divided by M (at least 1).
Tensor indexed_l1_loss(const Tensor& predicted, const Tensor& cells, const Tensor& targets,
                       const std::vector<double>& weights = {});

/// Cross entropy of the softmax over the channels at some cells: predicted [N,C,H,W]; cells as in indexed_l1_loss;
/// targets float64 [M,C] on the CPU, each no less than 0: -sum t log p, divided by sum t (at least 1e-6). A row need
/// not add up to 1: classes that count for more have larger targets.
Tensor indexed_cross_entropy(const Tensor& predicted, const Tensor& cells, const Tensor& targets);

/// What the same loss compares with, made ahead of it and where it is computed.
struct IndexedTargets {
  Tensor cells;    ///< int64 [R], in rising order; -1 in rows that belong to no target
  Tensor wanted;   ///< [R,C], of predicted's dtype
  Tensor factors;  ///< [R,C]: of each difference; 0 where there is no target
};
/// R is the next power of two from 64 on, so that batches with other counts of objects mostly ask for the same work.
IndexedTargets indexed_targets(const Tensor& cells, const Tensor& targets, const std::vector<double>& weights,
                               Device device);
Tensor indexed_l1_loss(const Tensor& predicted, const IndexedTargets& targets);

}  // namespace bevgrad
