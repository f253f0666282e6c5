// What the losses of label rasters have in common.
#pragma once
#include <type_traits>
#include <vector>

#include "nn/losses.h"
#include "tensor/host_device.h"

namespace bevgrad {

/// One weight a class; throws where there is another number of them.
std::vector<double> weights_or_ones(const char* loss, const std::vector<double>& weights, int64_t classes);

/// The targets in the logits' layout on their device. Throws where a label on the CPU is none of 0, 1 and ignore; those
/// on a GPU are counted by the loss itself (is_wrong_label), which then calls fail_on_labels.
Tensor checked_targets(const char* loss, const Tensor& logits, const Tensor& targets);
/// Throws and names the first wrong label.
void fail_on_labels(const char* loss, const Tensor& targets);

BEVGRAD_HD inline bool is_wrong_label(uint8_t label) {
  return label > 1 && label != kIgnoredTarget;
}

/// A loss as a scalar on the logits' device.
Tensor loss_value(double value, const Tensor& logits);
/// dy / normaliser as float64 on dy's device.
Tensor gradient_scale(const Tensor& dy, double normaliser);
/// Numbers, one a class, on a device, float64. Kept for the next call.
Tensor class_numbers(const std::vector<double>& numbers, Device device);

/// The type of a loss of such logits.
template <class T>
using loss_t = std::conditional_t<std::is_same_v<T, double>, double, float>;

}  // namespace bevgrad
