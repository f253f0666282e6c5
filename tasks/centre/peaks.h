// The first half of decoding a centre head: from class heat maps to the strongest peaks, and from overlapping boxes to
// the best one of each heap.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "geometry/rotated_box.h"
#include "tensor/tensor.h"

namespace bevgrad {

/// A local maximum of a heat map.
struct Peak {
  int64_t class_id = 0;
  int64_t row = 0;
  int64_t column = 0;
  float score = 0;  ///< logistic function of the logit
};

/// Peaks of heat-map logits [N,K,H,W] (floating; those on a GPU are copied), sample `sample`: cells that are the
/// highest of their 3x3 neighbourhood (equal neighbours all are), the `top` best over all classes, best first (ties:
/// lower class, row, column first), those with a score of at least `score_threshold`. NaN is never a peak. After
/// CenterNet (Zhou et al., "Objects as Points", 2019).
std::vector<Peak> heatmap_peaks(const Tensor& logits, int64_t sample, int64_t top, float score_threshold);

/// Greedy non-maximum suppression within each class. Boxes come best first; returns the indices of those that overlap
/// no kept box of their class by a rotated IoU above `iou_threshold`, best first.
std::vector<size_t> rotated_nms(std::span<const RotatedBox> boxes, std::span<const int64_t> classes,
                                double iou_threshold);

/// `angle` brought into (-pi, pi], or where `symmetric` (turned by pi it looks the same) into (-pi/2, pi/2].
double folded_angle(double angle, bool symmetric);

/// e^log_size, the metres that a size map's value stands for. Kept within e^-20 and e^20: what an untrained head says
/// beyond is noise, finite so that it can be compared.
double exp_size(float log_size);

/// Reads values [sample, channel, row, column] of a floating tensor of any strides as float; keeps a copy of one that
/// is on a GPU.
class MapReader {
 public:
  /// `what` and `channels` are for the error where the tensor is not [N,channels,H,W].
  MapReader(const char* what, const Tensor& tensor, int64_t channels);
  float operator()(int64_t sample, int64_t channel, int64_t row, int64_t column) const;

 private:
  Tensor tensor_;
};

}  // namespace bevgrad
