#include "autograd/functions/interpolate.h"

#include <algorithm>
#include <cmath>

#include "autograd/functions/channel_blocks.h"
#include "tensor/launch.h"
#include "tensor/simd.h"

namespace bevgrad {
namespace {

// Where an output position along one axis reads: positions `low` and `high` with weights 1 - fraction and fraction.
struct Source {
  int64_t low, high;
  double fraction;
};

struct Nearest {
  BEVGRAD_HD Source operator()(int64_t i, int64_t in, int64_t out) const {
    const int64_t at = i * in / out;
    return {at, at, 0.0};
  }
};

struct Bilinear {
  BEVGRAD_HD Source operator()(int64_t i, int64_t in, int64_t out) const {
    const double at = (static_cast<double>(i) + 0.5) * static_cast<double>(in) / static_cast<double>(out) - 0.5;
    const double clamped = at < 0 ? 0 : at;
    const int64_t low = static_cast<int64_t>(clamped) < in - 1 ? static_cast<int64_t>(clamped) : in - 1;
    const int64_t high = low + 1 < in ? low + 1 : low;
    return {low, high, high == low ? 0.0 : clamped - static_cast<double>(low)};
  }
};

struct Sizes {
  int64_t channels, h, w, oh, ow;
};

// y pixel = weighted sum of up to four x pixels (+ the pixel of `addend`). One index is one pixel and one block of its
// channels.
template <class T, class Rule, int64_t kBlock>
struct Forward {
  T* y;
  const T* x;
  const T* addend;
  Sizes s;
  int64_t blocks;

  BEVGRAD_HD void operator()(int64_t i) const {
    using C = compute_t<T>;
    const int64_t pixel = i / blocks, first = i % blocks * kBlock;
    const int64_t count = s.channels - first < kBlock ? s.channels - first : kBlock;
    const int64_t ow = pixel % s.ow, oh = pixel / s.ow % s.oh, n = pixel / s.ow / s.oh;
    const Source row = Rule{}(oh, s.h, s.oh), column = Rule{}(ow, s.w, s.ow);
    const T* image = x + n * s.h * s.w * s.channels + first;
    T* out = y + pixel * s.channels + first;
    const T* add = addend ? addend + pixel * s.channels + first : nullptr;
    auto at = [&](int64_t h, int64_t w) { return image + (h * s.w + w) * s.channels; };
    const T *p00 = at(row.low, column.low), *p01 = at(row.low, column.high), *p10 = at(row.high, column.low),
            *p11 = at(row.high, column.high);
    if (row.fraction == 0 && column.fraction == 0) {
      if (!add)
        return simd::for_each_block(count, [&](int64_t c, auto lanes) { lanes.store(out + c, lanes.load(p00 + c)); });
      return simd::for_each_block(
          count, [&](int64_t c, auto lanes) { lanes.store(out + c, lanes.load(p00 + c) + lanes.load(add + c)); });
    }
    const C v = static_cast<C>(row.fraction), u = static_cast<C>(column.fraction);
    const C w00 = (1 - v) * (1 - u), w01 = (1 - v) * u, w10 = v * (1 - u), w11 = v * u;
    simd::for_each_block(count, [&](int64_t c, auto lanes) {
      lanes.store(out + c, lanes.load(p00 + c) * w00 + lanes.load(p01 + c) * w01 + lanes.load(p10 + c) * w10 +
                               lanes.load(p11 + c) * w11);
    });
  }
};

// The first and last output position that can read input position i, with room to spare.
BEVGRAD_HD inline int64_t first_reader(int64_t i, int64_t in, int64_t out) {
  if (i == 0) return 0;
  const double at = static_cast<double>(i - 1) * static_cast<double>(out) / static_cast<double>(in);
  return at < 1 ? 0 : static_cast<int64_t>(at) - 1;
}
BEVGRAD_HD inline int64_t last_reader(int64_t i, int64_t in, int64_t out) {
  if (i >= in - 1) return out - 1;
  const double at = static_cast<double>(i + 2) * static_cast<double>(out) / static_cast<double>(in) + 1;
  return at > static_cast<double>(out - 1) ? out - 1 : static_cast<int64_t>(at);
}

BEVGRAD_HD inline double weight_of(const Source& source, int64_t i) {
  return (source.low == i ? 1 - source.fraction : 0.0) + (source.high == i ? source.fraction : 0.0);
}

// dx pixel gathers from the y pixels that read it.
template <class T, class Rule, int64_t kBlock>
struct Backward {
  T* dx;
  const T* dy;
  Sizes s;
  int64_t blocks;

  BEVGRAD_HD void operator()(int64_t i) const {
    using C = compute_t<T>;
    const int64_t pixel = i / blocks, first = i % blocks * kBlock;
    const int64_t count = s.channels - first < kBlock ? s.channels - first : kBlock;
    const int64_t w = pixel % s.w, h = pixel / s.w % s.h, n = pixel / s.w / s.h;
    // Enlarging by 2 has at most 4 readers along an axis; more are taken in turns.
    constexpr int kReaders = 8;
    C sums[kBlock];
    for (int64_t c = 0; c < count; ++c) sums[c] = C(0);
    const int64_t last_row = last_reader(h, s.h, s.oh), last_column = last_reader(w, s.w, s.ow);
    for (int64_t start = first_reader(w, s.w, s.ow); start <= last_column; start += kReaders) {
      C weights[kReaders];
      const int64_t readers = last_column - start + 1 < kReaders ? last_column - start + 1 : kReaders;
      for (int64_t k = 0; k < readers; ++k) weights[k] = static_cast<C>(weight_of(Rule{}(start + k, s.w, s.ow), w));
      for (int64_t oh = first_reader(h, s.h, s.oh); oh <= last_row; ++oh) {
        const C row = static_cast<C>(weight_of(Rule{}(oh, s.h, s.oh), h));
        if (row == C(0)) continue;
        const T* in = dy + ((n * s.oh + oh) * s.ow + start) * s.channels + first;
        for (int64_t k = 0; k < readers; ++k) {
          if (weights[k] == C(0)) continue;
          const C factor = row * weights[k];
          const T* from = in + k * s.channels;
          simd::for_each_block(count, [&](int64_t c, auto lanes) {
            lanes.store(sums + c, lanes.load(sums + c) + lanes.load(from + c) * factor);
          });
        }
      }
    }
    T* out = dx + pixel * s.channels + first;
    simd::for_each_block(count, [&](int64_t c, auto lanes) { lanes.store(out + c, lanes.load(sums + c)); });
  }
};

Sizes sizes_of(const Shape& x, int64_t height, int64_t width) {
  return {x[1], x[2], x[3], height, width};
}

template <class Rule>
Tensor resize_backward(const char* op, const Tensor& dy, const Shape& x_sizes) {
  const Tensor dx = empty(x_sizes, {dy.dtype(), MemoryFormat::ChannelsLast, dy.device()});
  const Tensor gradient = ops::contiguous(dy, MemoryFormat::ChannelsLast);
  const Sizes s = sizes_of(x_sizes, dy.size(2), dy.size(3));
  dispatch_floating(op, dy.dtype(), [&]<class T>() {
    with_channel_block(dy.device(), [&]<int64_t kBlock>() {
      const int64_t blocks = blocks_of(s.channels, kBlock);
      const Backward<T, Rule, kBlock> kernel{dx.data<T>(), gradient.data<T>(), s, blocks};
      launch(dy.device(), x_sizes[0] * s.h * s.w * blocks, kernel, 100);
    });
  });
  return dx;
}

template <class Rule>
Tensor resize(const char* op, const Tensor& x, int64_t height, int64_t width, const Tensor& addend = {}) {
  check(x.dim() == 4 && x.size(2) > 0 && x.size(3) > 0 && height > 0 && width > 0,
        "{}: cannot resize {} to [{},{}], expected [N,C,H,W] and positive sizes", op, to_string(x.sizes()), height,
        width);
  const Tensor input = ops::contiguous(x, MemoryFormat::ChannelsLast);
  const Tensor add = addend.defined() ? ops::contiguous(addend, MemoryFormat::ChannelsLast) : Tensor();
  const Tensor y = empty({x.size(0), x.size(1), height, width}, {x.dtype(), MemoryFormat::ChannelsLast, x.device()});
  const Sizes s = sizes_of(x.sizes(), height, width);
  dispatch_floating(op, x.dtype(), [&]<class T>() {
    with_channel_block(x.device(), [&]<int64_t kBlock>() {
      const int64_t blocks = blocks_of(s.channels, kBlock);
      const Forward<T, Rule, kBlock> kernel{y.data<T>(), input.data<T>(), add.defined() ? add.data<T>() : nullptr, s,
                                            blocks};
      launch(x.device(), x.size(0) * height * width * blocks, kernel, 50);
    });
  });
  std::vector<Tensor> inputs{x};
  if (addend.defined()) inputs.push_back(addend);
  auto rule = [op, x_sizes = x.sizes(), count = inputs.size()](const Tensor& dy, const NeedsGrad& needs) {
    Grads grads(count);
    if (needs[0]) grads[0] = resize_backward<Rule>(op, dy, x_sizes);
    if (count == 2) grads[1] = dy;
    return grads;
  };
  return record(op, y, inputs, std::move(rule));
}

}  // namespace

Tensor interpolate_nearest(const Tensor& x, int64_t height, int64_t width) {
  return resize<Nearest>("interpolate_nearest", x, height, width);
}

Tensor interpolate_bilinear(const Tensor& x, int64_t height, int64_t width) {
  return resize<Bilinear>("interpolate_bilinear", x, height, width);
}

Tensor upsample_add(const Tensor& x, const Tensor& y) {
  check(x.dim() == 4 && y.dim() == 4 && x.size(0) == y.size(0) && x.size(1) == y.size(1) && x.dtype() == y.dtype() &&
            x.device() == y.device(),
        "upsample_add: {} does not go with {}", describe(x), describe(y));
  return resize<Nearest>("upsample_add", x, y.size(2), y.size(3), y);
}

}  // namespace bevgrad
