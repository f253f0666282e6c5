#include "evaluation/raster.h"

#include <cmath>

namespace bevgrad {
namespace {

/// Copies one sample to planes, whatever the strides.
template <class From, class To, class Convert>
void copy_planes(const Tensor& tensor, int64_t sample, Raster<To>& raster, Convert convert) {
  const bool batched = tensor.dim() == 4;
  const From* source = tensor.data<const From>() + (batched ? sample * tensor.stride(0) : 0);
  const int first = batched ? 1 : 0;
  const int64_t channel_stride = tensor.stride(first), row_stride = tensor.stride(first + 1),
                column_stride = tensor.stride(first + 2);
  for (int64_t c = 0; c < raster.channels; ++c) {
    To* out = raster.plane(c).data();
    for (int64_t r = 0; r < raster.rows; ++r) {
      const From* row = source + c * channel_stride + r * row_stride;
      for (int64_t x = 0; x < raster.columns; ++x) *out++ = convert(row[x * column_stride]);
    }
  }
}

template <class T>
Raster<T> shaped_like(const char* what, const Tensor& tensor, int64_t sample) {
  check(tensor.defined(), "{}: the tensor is undefined", what);
  check(tensor.dim() == 3 || tensor.dim() == 4, "{}: {} has {} dimensions, expected [C,H,W] or [N,C,H,W]", what,
        describe(tensor), tensor.dim());
  check(tensor.device().is_cpu(), "{}: {} is not on the CPU", what, describe(tensor));
  const int64_t samples = tensor.dim() == 4 ? tensor.size(0) : 1;
  check(sample >= 0 && sample < samples, "{}: sample {} of {}", what, sample, samples);
  return Raster<T>(tensor.size(-3), tensor.size(-2), tensor.size(-1));
}

template <class Convert>
ProbabilityRaster converted(const char* what, const Tensor& tensor, int64_t sample, Convert convert) {
  auto raster = shaped_like<float>(what, tensor, sample);
  dispatch_floating(what, tensor.dtype(), [&]<class T>() {
    copy_planes<T>(tensor, sample, raster, [&](T value) { return convert(static_cast<float>(value)); });
  });
  return raster;
}

}  // namespace

ProbabilityRaster float_raster(const Tensor& tensor, int64_t sample) {
  return converted("float_raster", tensor, sample, [](float value) { return value; });
}

ProbabilityRaster sigmoid_raster(const Tensor& logits, int64_t sample) {
  return converted("sigmoid_raster", logits, sample, [](float value) { return 1.0f / (1.0f + std::exp(-value)); });
}

LabelRaster label_raster(const Tensor& labels, int64_t sample) {
  auto raster = shaped_like<uint8_t>("label_raster", labels, sample);
  copy_planes<uint8_t>(labels, sample, raster, [](uint8_t value) { return value; });
  return raster;
}

}  // namespace bevgrad
