// Bilinear enlargement by two on a GPU: the weights along an axis are 1/4 and 3/4, so nothing is looked up or computed
// for a pixel, and 16 bytes of its channels are taken at once. (At the borders the pixel beyond is the border's own.)
#pragma once
#include "tensor/element.h"
#include "tensor/launch.h"
#include "tensor/pack.h"

namespace bevgrad::doubling {

/// One index: a pack of channels of an output pixel.
template <class T>
struct Forward {
  static constexpr int kLanes = kFullPack<T>;
  T* y;
  const T* x;
  int64_t rows, columns, packs;  // of x

  BEVGRAD_HD void operator()(int64_t i) const {
    using C = compute_t<T>;
    const int64_t pixel = i / packs, pack = i - pixel * packs;
    const int64_t line = pixel / (2 * columns), column = pixel - line * 2 * columns;
    const int64_t image = line / (2 * rows), row = line - image * 2 * rows;
    // Of the two neighbours the one that contains the pixel counts 3/4.
    const int64_t near_row = row / 2, near_column = column / 2;
    const int64_t far_row = clamped(row % 2 ? near_row + 1 : near_row - 1, rows);
    const int64_t far_column = clamped(column % 2 ? near_column + 1 : near_column - 1, columns);
    const T* in = x + (image * rows * columns * packs + pack) * kLanes;
    C sums[kLanes] = {};
    add(sums, in, near_row, near_column, C(0.5625));
    add(sums, in, near_row, far_column, C(0.1875));
    add(sums, in, far_row, near_column, C(0.1875));
    add(sums, in, far_row, far_column, C(0.0625));
    store_pack<kLanes>(y + i * kLanes, sums);
  }

  BEVGRAD_HD static int64_t clamped(int64_t at, int64_t size) { return at < 0 ? 0 : (at < size ? at : size - 1); }
  BEVGRAD_HD void add(compute_t<T>* sums, const T* in, int64_t row, int64_t column, compute_t<T> weight) const {
    compute_t<T> values[kLanes];
    load_pack<kLanes>(values, in + (row * columns + column) * packs * kLanes);
    for (int k = 0; k < kLanes; ++k) sums[k] += values[k] * weight;
  }
};

/// One index: a pack of channels of a pixel of dx, read by four output pixels along each axis.
template <class T>
struct Backward {
  static constexpr int kLanes = kFullPack<T>;
  T* dx;
  const T* dy;
  int64_t rows, columns, packs;  // of dx

  BEVGRAD_HD void operator()(int64_t i) const {
    using C = compute_t<T>;
    const int64_t pixel = i / packs, pack = i - pixel * packs;
    const int64_t line = pixel / columns, column = pixel - line * columns;
    const int64_t image = line / rows, row = line - image * rows;
    const T* in = dy + (image * 4 * rows * columns * packs + pack) * kLanes;
    C sums[kLanes] = {};
    for (int64_t a = -1; a <= 2; ++a) {
      const C of_row = weight(a, row, rows);
      if (of_row == C(0)) continue;
      for (int64_t b = -1; b <= 2; ++b) {
        const C both = of_row * weight(b, column, columns);
        if (both == C(0)) continue;
        C values[kLanes];
        load_pack<kLanes>(values, in + ((2 * row + a) * 2 * columns + 2 * column + b) * packs * kLanes);
        for (int k = 0; k < kLanes; ++k) sums[k] += values[k] * both;
      }
    }
    store_pack<kLanes>(dx + i * kLanes, sums);
  }

  /// By how much output position 2 i + offset reads input position i of `size`.
  BEVGRAD_HD static compute_t<T> weight(int64_t offset, int64_t i, int64_t size) {
    using C = compute_t<T>;
    if (offset == -1) return i > 0 ? C(0.25) : C(0);
    if (offset == 2) return i < size - 1 ? C(0.25) : C(0);
    const bool at_border = offset == 0 ? i == 0 : i == size - 1;
    return at_border ? C(1) : C(0.75);
  }
};

/// y [N,C,2H,2W] from x [N,C,H,W], both channels-last on a GPU; false where the channels do not fit packs.
template <class T>
bool forward(const Tensor& y, const Tensor& x) {
  if (!fits_packs<T>(x.size(1), x, y)) return false;
  const int64_t packs = x.size(1) / kFullPack<T>;
  launch(x.device(), y.numel() / kFullPack<T>, Forward<T>{y.data<T>(), x.data<T>(), x.size(2), x.size(3), packs});
  return true;
}
template <class T>
bool backward(const Tensor& dx, const Tensor& dy) {
  if (!fits_packs<T>(dx.size(1), dx, dy)) return false;
  const int64_t packs = dx.size(1) / kFullPack<T>;
  launch(dx.device(), dx.numel() / kFullPack<T>,
         Backward<T>{dx.data<T>(), dy.data<T>(), dx.size(2), dx.size(3), packs});
  return true;
}

}  // namespace bevgrad::doubling
