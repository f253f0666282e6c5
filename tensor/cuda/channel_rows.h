// What the passes of normalisation share: activations as rows of channels, and where a ReLU let values through.
#pragma once
#include <type_traits>

#include "tensor/backend.h"
#include "tensor/element.h"
#include "tensor/host_device.h"

namespace bevgrad::cuda {

template <class T>
using parameter_t = std::conditional_t<std::is_same_v<T, double>, double, float>;

template <class T>
T* pointer(const Tensor& tensor) {
  return tensor.defined() ? tensor.data<T>() : nullptr;
}

struct Rows {
  int64_t rows, channels;
};

inline Rows rows_of(const Tensor& x) {
  const int64_t channels = x.size(1);
  return {channels ? x.numel() / channels : 0, channels};
}

// ReluMask, as pointers.
template <class T>
struct Mask {
  const T* y;
  const parameter_t<T>* scale;
  const parameter_t<T>* shift;

  explicit Mask(const ReluMask& mask)
      : y(pointer<T>(mask.y)), scale(pointer<parameter_t<T>>(mask.scale)), shift(pointer<parameter_t<T>>(mask.shift)) {}

  /// Of one channel: its coefficients are read once for many rows.
  struct Channel {
    bool by_output, by_input;
    compute_t<T> scale, shift;

    BEVGRAD_HD bool holds(compute_t<T> output, compute_t<T> input) const {
      using C = compute_t<T>;
      if (by_output) return !(output <= C(0));
      return !by_input || !(input * scale + shift <= C(0));
    }
  };
  BEVGRAD_HD Channel channel(int64_t c) const {
    using C = compute_t<T>;
    return {y != nullptr, scale != nullptr, scale ? static_cast<C>(scale[c]) : C(0),
            scale ? static_cast<C>(shift[c]) : C(0)};
  }
};

}  // namespace bevgrad::cuda
