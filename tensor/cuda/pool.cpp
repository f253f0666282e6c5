// Max pooling over channels-last rows: one thread an element, neighbouring threads on neighbouring channels. The
// backward pass gathers, so that the order of its additions is fixed.
#include <cmath>

#include "cuda/backend.h"
#include "internal/pool_window.h"
#include "tensor/element.h"
#include "tensor/launch.h"

namespace bevgrad::cuda {
namespace {

struct Position {
  int64_t image, row, column, channel;
};

BEVGRAD_HD inline Position position(int64_t i, int64_t channels, int64_t h, int64_t w) {
  const int64_t pixel = i / channels, line = pixel / w;
  return {line / h, line % h, pixel - line * w, i - pixel * channels};
}

template <class T>
struct PoolForward {
  T* y;
  uint8_t* index;  // may be null
  const T* x;
  PoolWindow p;

  BEVGRAD_HD void operator()(int64_t i) const {
    using C = compute_t<T>;
    const Position at = position(i, p.channels, p.rows.outputs, p.columns.outputs);
    const T* image = x + at.image * p.rows.size * p.columns.size * p.channels + at.channel;
    bool first = true;
    C best = C(-INFINITY);
    int where = kNoPlace;
    for (int r = 0; r < p.rows.kernel; ++r) {
      const int64_t h = p.rows.place(at.row, r);
      if (!p.rows.holds(h)) continue;
      for (int q = 0; q < p.columns.kernel; ++q) {
        const int64_t w = p.columns.place(at.column, q);
        if (!p.columns.holds(w)) continue;
        const C value = load(image, (h * p.columns.size + w) * p.channels);
        if (!first && (value <= best || best != best)) continue;  // a NaN wins and stays
        best = value;
        where = r * p.columns.kernel + q;
        first = false;
      }
    }
    store(y, i, best);
    if (index) index[i] = static_cast<uint8_t>(where);
  }
};

template <class T>
struct PoolBackward {
  T* dx;
  const T* dy;
  const uint8_t* index;
  PoolWindow p;

  BEVGRAD_HD void operator()(int64_t i) const {
    using C = compute_t<T>;
    const Position at = position(i, p.channels, p.rows.size, p.columns.size);
    const int64_t last_row = p.rows.last_output(at.row), last_column = p.columns.last_output(at.column);
    C sum = C(0);
    for (int64_t oh = p.rows.first_output(at.row); oh <= last_row; ++oh)
      for (int64_t ow = p.columns.first_output(at.column); ow <= last_column; ++ow) {
        const int64_t r = p.rows.tap(oh, at.row), q = p.columns.tap(ow, at.column);
        if (r < 0 || q < 0) continue;
        const int64_t from = ((at.image * p.rows.outputs + oh) * p.columns.outputs + ow) * p.channels + at.channel;
        if (index[from] == static_cast<uint8_t>(r * p.columns.kernel + q)) sum += load(dy, from);
      }
    store(dx, i, sum);
  }
};

}  // namespace

void max_pool2d_forward(const Tensor& y, const Tensor& index, const Tensor& x, Pair kernel, ConvOptions options) {
  dispatch_floating("max_pool2d", x.dtype(), [&]<class T>() {
    uint8_t* positions = index.defined() ? index.data<uint8_t>() : nullptr;
    launch(x.device(), y.numel(),
           PoolForward<T>{y.data<T>(), positions, x.data<T>(), pool_window(x, y, kernel, options)},
           kernel.h * kernel.w);
  });
}

void max_pool2d_backward(const Tensor& dx, const Tensor& dy, const Tensor& index, Pair kernel, ConvOptions options) {
  dispatch_floating("max_pool2d", dx.dtype(), [&]<class T>() {
    launch(dx.device(), dx.numel(),
           PoolBackward<T>{dx.data<T>(), dy.data<T>(), index.data<uint8_t>(), pool_window(dx, dy, kernel, options)},
           kernel.h * kernel.w);
  });
}

}  // namespace bevgrad::cuda
