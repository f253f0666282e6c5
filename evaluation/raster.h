// Rasters as the metrics take them: planes of plain values, row-major, whatever layout the network's tensors had.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "tensor/tensor.h"

namespace bevgrad {

/// `channels` planes of `rows` x `columns` values, one after another. Row = y, column = x.
template <class T>
struct Raster {
  int64_t channels = 0;
  int64_t rows = 0;
  int64_t columns = 0;
  std::vector<T> values;

  Raster() = default;
  Raster(int64_t c, int64_t r, int64_t w, T value = {})
      : channels(c), rows(r), columns(w), values(static_cast<size_t>(c * r * w), value) {}

  bool empty() const { return values.empty(); }
  int64_t cells() const { return rows * columns; }
  std::span<const T> plane(int64_t channel) const {
    return {values.data() + channel * cells(), static_cast<size_t>(cells())};
  }
  std::span<T> plane(int64_t channel) { return {values.data() + channel * cells(), static_cast<size_t>(cells())}; }
  T at(int64_t channel, int64_t row, int64_t column) const {
    return values[static_cast<size_t>((channel * rows + row) * columns + column)];
  }
  T& at(int64_t channel, int64_t row, int64_t column) {
    return values[static_cast<size_t>((channel * rows + row) * columns + column)];
  }
};

using ProbabilityRaster = Raster<float>;
using LabelRaster = Raster<uint8_t>;

/// Sample `sample` of a floating tensor [N,C,H,W] (or [C,H,W] with sample 0) as float32, unchanged.
ProbabilityRaster float_raster(const Tensor& tensor, int64_t sample = 0);
/// The same with the logistic function applied. A NaN logit becomes a NaN probability, which no metric counts as
/// predicted.
ProbabilityRaster sigmoid_raster(const Tensor& logits, int64_t sample = 0);
/// Sample `sample` of a uint8 tensor [N,C,H,W] (or [C,H,W] with sample 0).
LabelRaster label_raster(const Tensor& labels, int64_t sample = 0);

}  // namespace bevgrad
