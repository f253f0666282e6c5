// Where the windows of a pooling lie, for the kernels of every device.
#pragma once
#include "tensor/backend.h"

namespace bevgrad {

/// One dimension: output o looks at input places o * stride - padding + tap * dilation.
struct PoolAxis {
  int64_t size, outputs;
  int kernel, stride, padding, dilation;

  BEVGRAD_HD int64_t place(int64_t output, int tap) const { return output * stride - padding + tap * dilation; }
  BEVGRAD_HD bool holds(int64_t place) const { return place >= 0 && place < size; }
  /// The outputs that may look at a place.
  BEVGRAD_HD int64_t first_output(int64_t place) const {
    const int64_t low = place + padding - static_cast<int64_t>(kernel - 1) * dilation;
    return low <= 0 ? 0 : (low + stride - 1) / stride;
  }
  BEVGRAD_HD int64_t last_output(int64_t place) const {
    const int64_t last = (place + padding) / stride;
    return last < outputs ? last : outputs - 1;
  }
  /// The tap by which one of them does; negative where its taps pass the place by.
  BEVGRAD_HD int64_t tap(int64_t output, int64_t place) const {
    const int64_t distance = place + padding - output * stride;
    return distance % dilation == 0 ? distance / dilation : -1;
  }
};

struct PoolWindow {
  int64_t channels;
  PoolAxis rows, columns;
};

/// What the index holds for a window that lies beside the input with all its taps: its maximum is -infinity.
inline constexpr uint8_t kNoPlace = 255;

/// x is the input (or its gradient), y the output.
inline PoolWindow pool_window(const Tensor& x, const Tensor& y, Pair kernel, const ConvOptions& o) {
  return {x.size(1),
          {x.size(2), y.size(2), kernel.h, o.stride.h, o.padding.h, o.dilation.h},
          {x.size(3), y.size(3), kernel.w, o.stride.w, o.padding.w, o.dilation.w}};
}

}  // namespace bevgrad
