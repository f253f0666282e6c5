#include "autograd/functions/interpolate.h"

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "functions/internal/doubling.h"
#include "internal/remake.h"
#include "tensor/channel_blocks.h"
#include "tensor/launch.h"
#include "tensor/simd.h"

namespace bevgrad {
namespace {

// One axis: `in` positions become `out`.
struct Axis {
  int64_t in, out;
  double step;  // in / out

  Axis(int64_t in_size, int64_t out_size)
      : in(in_size), out(out_size), step(static_cast<double>(in_size) / static_cast<double>(out_size)) {}
};

// Where an output position along one axis reads: positions `low` and `high` with weights 1 - fraction and fraction.
struct Source {
  int64_t low, high;
  double fraction;
};

struct Nearest {
  BEVGRAD_HD Source operator()(int64_t i, const Axis& axis) const {
    const int64_t at = i * axis.in / axis.out;
    return {at, at, 0.0};
  }
};

struct Bilinear {
  BEVGRAD_HD Source operator()(int64_t i, const Axis& axis) const {
    const double at = (static_cast<double>(i) + 0.5) * axis.step - 0.5;
    const double clamped = at < 0 ? 0 : at;
    const int64_t low = static_cast<int64_t>(clamped) < axis.in - 1 ? static_cast<int64_t>(clamped) : axis.in - 1;
    const int64_t high = low + 1 < axis.in ? low + 1 : low;
    return {low, high, high == low ? 0.0 : clamped - static_cast<double>(low)};
  }
};

// One index of the functors below is a run of pixels of one row and one block of their channels.
struct Runs {
  int64_t width, height, channels;  // of the tensor that is written
  int64_t length, per_row, blocks, block;

  Runs(const Tensor& written, int64_t channel_block)
      : width(written.size(3)),
        height(written.size(2)),
        channels(written.size(1)),
        length(written.device().is_cpu() ? width : 1),
        per_row(width / length),
        blocks(blocks_of(channels, channel_block)),
        block(channel_block) {}

  int64_t count(int64_t images) const { return images * height * per_row * blocks; }
};
struct Run {
  int64_t image, row, first_column, end_column, first_channel, channels;

  BEVGRAD_HD Run(const Runs& runs, int64_t i) {
    const int64_t run = i / runs.blocks, in_row = run % runs.per_row, rows = run / runs.per_row;
    first_channel = (i - run * runs.blocks) * runs.block;
    channels = runs.channels - first_channel < runs.block ? runs.channels - first_channel : runs.block;
    first_column = in_row * runs.length;
    end_column = first_column + runs.length;
    image = rows / runs.height;
    row = rows - image * runs.height;
  }
};

// y pixel = weighted sum of up to four x pixels (+ the pixel of `addend`).
template <class T, class Rule>
struct Forward {
  T* y;
  const T* x;
  const T* addend;
  Axis rows, columns;
  Runs runs;
  bool streamed;

  BEVGRAD_HD void operator()(int64_t i) const {
    using C = compute_t<T>;
    const Run run(runs, i);
    const Source row = Rule{}(run.row, rows);
    const C v = static_cast<C>(row.fraction);
    // What the loops need, in variables that no store can change.
    const int64_t channels = runs.channels, x_row = columns.in * channels, y_row = columns.out * channels;
    const T* image = x + run.image * rows.in * x_row + run.first_channel;
    const T *upper = image + row.low * x_row, *lower = image + row.high * x_row;
    const int64_t y_offset = (run.image * rows.out + run.row) * y_row + run.first_channel;
    T* out = y + y_offset;
    const T* add = addend ? addend + y_offset : nullptr;
    const bool past_caches = streamed;
    const Axis across = columns;
    for (int64_t column = run.first_column; column < run.end_column; ++column) {
      const Source source = Rule{}(column, across);
      const int64_t left = source.low * channels, right = source.high * channels, at = column * channels;
      const C u = static_cast<C>(source.fraction);
      const C w00 = (1 - v) * (1 - u), w01 = (1 - v) * u, w10 = v * (1 - u), w11 = v * u;
      const bool one = row.fraction == 0 && source.fraction == 0;
      simd::for_each_four_blocks(run.channels, [=](int64_t c, auto lanes) {
        auto value = lanes.load(upper + left + c);
        if (!one) {
          value = value * w00 + lanes.load(upper + right + c) * w01 + lanes.load(lower + left + c) * w10 +
                  lanes.load(lower + right + c) * w11;
        }
        if (add) value += lanes.load(add + at + c);
        if (past_caches) return lanes.stream(out + at + c, value);
        lanes.store(out + at + c, value);
      });
    }
  }
};

// Output positions that may read input position i: a bilinear one lies less than a position away from it, a nearest one
// less than a position after it.
struct Readers {
  int64_t first, last;

  BEVGRAD_HD Readers(int64_t i, const Axis& axis) : first(0), last(axis.out - 1) {
    const double at = static_cast<double>(i), begin = (at - 0.5) / axis.step - 0.5;
    const double bilinear = (at + 1.5) / axis.step - 0.5, nearest = (at + 1) / axis.step;
    const double end = bilinear > nearest ? bilinear : nearest;
    if (i > 0 && begin > 0) first = static_cast<int64_t>(begin);
    if (i < axis.in - 1 && end < static_cast<double>(last)) last = static_cast<int64_t>(end);
  }
};

// Some of the readers of an input position, and by how much they do.
template <class C>
struct TapWeights {
  static constexpr int kMost = 16;  // enlarging by 2 has 4 readers along an axis; more are taken in turns
  int64_t positions[kMost];
  C values[kMost];
  int count = 0;

  /// Takes those of output positions from `next` to `last`; returns where the next turn begins.
  template <class Rule>
  BEVGRAD_HD int64_t take(Rule rule, int64_t i, const Axis& axis, int64_t next, int64_t last) {
    for (count = 0; next <= last && count < kMost; ++next) {
      const Source source = rule(next, axis);
      const double weight = (source.low == i ? 1 - source.fraction : 0.0) + (source.high == i ? source.fraction : 0.0);
      if (weight == 0) continue;
      positions[count] = next;
      values[count++] = static_cast<C>(weight);
    }
    return next;
  }
};

// dx pixel gathers from the y pixels that read it.
template <class T, class Rule, int64_t kBlock>
struct Backward {
  T* dx;
  const T* dy;
  Axis rows, columns;
  Runs runs;

  BEVGRAD_HD void operator()(int64_t i) const {
    using C = compute_t<T>;
    const Run run(runs, i);
    const int64_t channels = runs.channels, y_row = columns.out * channels;
    const T* image = dy + run.image * rows.out * y_row + run.first_channel;
    const int64_t x_offset = (run.image * rows.in + run.row) * columns.in * channels + run.first_channel;
    const Readers row_readers(run.row, rows);
    TapWeights<C> row_weights;
    const Axis across = columns;
    const bool rows_at_once = row_readers.last - row_readers.first < TapWeights<C>::kMost;
    if (rows_at_once) row_weights.take(Rule{}, run.row, rows, row_readers.first, row_readers.last);
    for (int64_t column = run.first_column; column < run.end_column; ++column) {
      const Readers column_readers(column, across);
      C sums[kBlock];
      for (int64_t c = 0; c < run.channels; ++c) sums[c] = C(0);
      for (int64_t row = row_readers.first; row <= row_readers.last;) {
        row = rows_at_once ? row_readers.last + 1 : row_weights.take(Rule{}, run.row, rows, row, row_readers.last);
        for (int64_t next = column_readers.first; next <= column_readers.last;) {
          TapWeights<C> weights;
          next = weights.take(Rule{}, column, across, next, column_readers.last);
          simd::for_each_four_blocks<kBlock>(run.channels, [&](int64_t c, auto lanes) {
            auto sum = lanes.load(sums + c);
            for (int k = 0; k < row_weights.count; ++k) {
              const T* in = image + row_weights.positions[k] * y_row + c;
              for (int j = 0; j < weights.count; ++j) {
                const T* from = in + weights.positions[j] * channels;
                sum += lanes.load(from) * (row_weights.values[k] * weights.values[j]);
              }
            }
            lanes.store(sums + c, sum);
          });
        }
      }
      T* out = dx + x_offset + column * channels;
      simd::for_each_block<kBlock>(run.channels,
                                   [&](int64_t c, auto lanes) { lanes.store(out + c, lanes.load(sums + c)); });
    }
  }
};

// What doubling.h has kernels for.
bool is_doubling(const Shape& from, const Shape& to, Device device) {
  return !device.is_cpu() && to[2] == 2 * from[2] && to[3] == 2 * from[3];
}

template <class Rule>
Tensor resize_backward(const char* op, const Tensor& dy, const Shape& x_sizes) {
  const Tensor dx = empty(x_sizes, {dy.dtype(), MemoryFormat::ChannelsLast, dy.device()});
  const Tensor gradient = ops::contiguous(dy, MemoryFormat::ChannelsLast);
  dispatch_floating(op, dy.dtype(), [&]<class T>() {
    if constexpr (std::is_same_v<Rule, Bilinear>)
      if (is_doubling(x_sizes, dy.sizes(), dy.device()) && doubling::backward<T>(dx, gradient)) return;
    with_channel_block(dy.device(), [&]<int64_t kBlock>() {
      const Runs runs(dx, kBlock);
      const Backward<T, Rule, kBlock> kernel{
          dx.data<T>(), gradient.data<T>(), {x_sizes[2], dy.size(2)}, {x_sizes[3], dy.size(3)}, runs};
      launch(dy.device(), runs.count(x_sizes[0]), kernel, 100 * runs.length);
    });
  });
  return dx;
}

// What `resize` gives of channels-last inputs.
template <class Rule>
Tensor resized(const char* op, const Tensor& x, int64_t height, int64_t width, const Tensor& add) {
  const Tensor y = empty({x.size(0), x.size(1), height, width}, {x.dtype(), MemoryFormat::ChannelsLast, x.device()});
  dispatch_floating(op, x.dtype(), [&]<class T>() {
    if constexpr (std::is_same_v<Rule, Bilinear>)
      if (!add.defined() && is_doubling(x.sizes(), y.sizes(), x.device()) && doubling::forward<T>(y, x)) return;
    with_channel_block(x.device(), [&]<int64_t kBlock>() {
      const Runs runs(y, kBlock);
      const bool streamed = x.device().is_cpu() && simd::streams(y.data<T>(), x.size(0) * height * width, x.size(1));
      const Forward<T, Rule> kernel{
          y.data<T>(), x.data<T>(), add.defined() ? add.data<T>() : nullptr, {x.size(2), height}, {x.size(3), width},
          runs,        streamed};
      launch(x.device(), runs.count(x.size(0)), kernel, 50 * runs.length);
    });
  });
  return y;
}

template <class Rule>
Tensor resize(const char* op, const Tensor& x, int64_t height, int64_t width, const Tensor& addend = {}) {
  const OpScope scope(op, {{"x", x}});
  check(x.dim() == 4 && x.size(2) > 0 && x.size(3) > 0 && height > 0 && width > 0,
        "{}: cannot resize {} to [{},{}], expected [N,C,H,W] and positive sizes", op, to_string(x.sizes()), height,
        width);
  const Tensor input = ops::contiguous(x, MemoryFormat::ChannelsLast);
  const Tensor add = addend.defined() ? ops::contiguous(addend, MemoryFormat::ChannelsLast) : Tensor();
  std::vector<Tensor> inputs{x};
  if (addend.defined()) inputs.push_back(addend);
  auto rule = [op, x_sizes = x.sizes(), count = inputs.size()](const Tensor& dy, const NeedsGrad& needs) {
    Grads grads(count);
    if (needs[0]) grads[0] = resize_backward<Rule>(op, dy, x_sizes);
    if (count == 2) grads[1] = dy;
    return grads;
  };
  const Tensor y = record(op, resized<Rule>(op, input, height, width, add), inputs, std::move(rule));
  if (!addend.defined() && y.numel() > x.numel())
    tape::set_remake(y, [op, input_ = tape::KeptInput(input), height, width] {
      return resized<Rule>(op, input_.get(), height, width, {});
    });
  return y;
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
