// Max pooling over channels-last rows: one thread an element, neighbouring threads on neighbouring channels. The
// backward pass gathers, so that the order of its additions is fixed.
#include "cuda/backend.h"
#include "tensor/element.h"
#include "tensor/launch.h"

namespace bevgrad::cuda {
namespace {

struct Window {
  int64_t channels, h, w, oh, ow;
  int kernel, stride, padding;
};

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
  Window p;

  BEVGRAD_HD void operator()(int64_t i) const {
    using C = compute_t<T>;
    const Position at = position(i, p.channels, p.oh, p.ow);
    const T* image = x + at.image * p.h * p.w * p.channels + at.channel;
    bool first = true;
    C best = C(0);
    int where = 0;
    for (int r = 0; r < p.kernel; ++r) {
      const int64_t h = at.row * p.stride - p.padding + r;
      if (h < 0 || h >= p.h) continue;
      for (int q = 0; q < p.kernel; ++q) {
        const int64_t w = at.column * p.stride - p.padding + q;
        if (w < 0 || w >= p.w) continue;
        const C value = load(image, (h * p.w + w) * p.channels);
        if (!first && (value <= best || best != best)) continue;  // a NaN wins and stays
        best = value;
        where = r * p.kernel + q;
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
  Window p;

  // Windows that cover input position i: o with o * stride - padding <= i < o * stride - padding + kernel.
  BEVGRAD_HD int64_t first_window(int64_t i) const {
    const int64_t low = i + p.padding - p.kernel + 1;
    return low <= 0 ? 0 : (low + p.stride - 1) / p.stride;
  }
  BEVGRAD_HD int64_t last_window(int64_t i, int64_t count) const {
    const int64_t last = (i + p.padding) / p.stride;
    return last < count ? last : count - 1;
  }

  BEVGRAD_HD void operator()(int64_t i) const {
    using C = compute_t<T>;
    const Position at = position(i, p.channels, p.h, p.w);
    const int64_t last_row = last_window(at.row, p.oh), last_column = last_window(at.column, p.ow);
    C sum = C(0);
    for (int64_t oh = first_window(at.row); oh <= last_row; ++oh)
      for (int64_t ow = first_window(at.column); ow <= last_column; ++ow) {
        const int64_t r = at.row - (oh * p.stride - p.padding), q = at.column - (ow * p.stride - p.padding);
        const int64_t from = ((at.image * p.oh + oh) * p.ow + ow) * p.channels + at.channel;
        if (index[from] == static_cast<uint8_t>(r * p.kernel + q)) sum += load(dy, from);
      }
    store(dx, i, sum);
  }
};

}  // namespace

void max_pool2d_forward(const Tensor& y, const Tensor& index, const Tensor& x, int kernel, ConvOptions options) {
  const Window p{x.size(1), x.size(2), x.size(3), y.size(2), y.size(3), kernel, options.stride, options.padding};
  dispatch_floating("max_pool2d", x.dtype(), [&]<class T>() {
    uint8_t* positions = index.defined() ? index.data<uint8_t>() : nullptr;
    launch(x.device(), y.numel(), PoolForward<T>{y.data<T>(), positions, x.data<T>(), p}, kernel * kernel);
  });
}

void max_pool2d_backward(const Tensor& dx, const Tensor& dy, const Tensor& index, int kernel, ConvOptions options) {
  const Window p{dx.size(1), dx.size(2), dx.size(3), dy.size(2), dy.size(3), kernel, options.stride, options.padding};
  dispatch_floating("max_pool2d", dx.dtype(), [&]<class T>() {
    launch(dx.device(), dx.numel(), PoolBackward<T>{dx.data<T>(), dy.data<T>(), index.data<uint8_t>(), p},
           kernel * kernel);
  });
}

}  // namespace bevgrad::cuda
