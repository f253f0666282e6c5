#include "bev/segment_max.h"

#include <algorithm>

#include "tensor/channel_blocks.h"
#include "tensor/launch.h"

namespace bevgrad {
namespace {

// One index is one segment's part.
template <class T>
struct SegmentMax {
  const T* x;
  const T* floor;  // null: none
  const int64_t* offsets;
  int64_t slots;
  ChannelBlocks blocks;
  T* y;
  int32_t* winner;  // row within the segment, -1 for the floor

  BEVGRAD_HD void operator()(int64_t i) const {
    using R = compute_t<T>;
    const int64_t s = blocks.row(i), from = blocks.begin(i), width = blocks.end(i) - from;
    const int64_t begin = offsets[s], count = offsets[s + 1] - begin;
    T* out = y + s * blocks.channels + from;
    int32_t* best = winner + s * blocks.channels + from;
    const T* lowest = floor ? floor + from : nullptr;
    const bool floored = floor && count < slots;
    const T* first = count > 0 ? x + begin * blocks.channels + from : lowest;
#pragma omp simd
    for (int64_t c = 0; c < width; ++c) {
      out[c] = first[c];
      best[c] = count > 0 ? 0 : -1;
    }
    for (int64_t r = 1; r < count; ++r) {
      const T* row = x + (begin + r) * blocks.channels + from;
#pragma omp simd
      for (int64_t c = 0; c < width; ++c) {
        const bool larger = static_cast<R>(row[c]) > static_cast<R>(out[c]);
        out[c] = larger ? row[c] : out[c];
        best[c] = larger ? static_cast<int32_t>(r) : best[c];
      }
    }
    if (!floored || count == 0) return;
    for (int64_t c = 0; c < width; ++c)
      if (static_cast<R>(lowest[c]) > static_cast<R>(out[c])) {
        out[c] = lowest[c];
        best[c] = -1;
      }
  }
};

// One index is one segment's part; it writes all of its rows.
template <class T>
struct SegmentMaxBackward {
  const T* dy;
  const int32_t* winner;
  const int64_t* offsets;
  ChannelBlocks blocks;
  T* dx;

  BEVGRAD_HD void operator()(int64_t i) const {
    const int64_t s = blocks.row(i), from = blocks.begin(i), end = blocks.end(i);
    for (int64_t row = offsets[s]; row < offsets[s + 1]; ++row)
      for (int64_t c = from; c < end; ++c) dx[row * blocks.channels + c] = T(0.0f);
    for (int64_t c = from; c < end; ++c) {
      const int32_t row = winner[s * blocks.channels + c];
      if (row >= 0) dx[(offsets[s] + row) * blocks.channels + c] = dy[s * blocks.channels + c];
    }
  }
};

// The gradient where the floor won, 0 elsewhere.
template <class T>
struct FloorWon {
  const T* dy;
  const int32_t* winner;
  T* won;

  BEVGRAD_HD void operator()(int64_t i) const { won[i] = winner[i] < 0 ? dy[i] : T(0.0f); }
};

void check_offsets(const Tensor& x, const Tensor& offsets, bool has_floor) {
  check(offsets.device().is_cpu(), "segment_max: the offsets are {}, expected them on the cpu", describe(offsets));
  check(offsets.dim() == 1 && offsets.dtype() == DType::Int64 && offsets.numel() >= 1 && offsets.is_contiguous(),
        "segment_max: the offsets are {}, expected int64 [segments+1]", describe(offsets));
  const int64_t* o = offsets.data<int64_t>();
  const int64_t segments = offsets.numel() - 1;
  check(o[0] == 0 && o[segments] == x.size(0), "segment_max: the offsets run from {} to {} for {} rows", o[0],
        o[segments], x.size(0));
  for (int64_t s = 0; s < segments; ++s)
    check(has_floor ? o[s] <= o[s + 1] : o[s] < o[s + 1], "segment_max: segment {} is rows {} to {}", s, o[s],
          o[s + 1]);
}

}  // namespace

Tensor segment_max(const Tensor& x, const Tensor& offsets, const Tensor& floor, int64_t slots) {
  const OpScope scope("segment_max", {{"x", x}, {"offsets", offsets}});
  check(x.dim() == 2, "segment_max: the input is {}, expected [rows, channels]", describe(x));
  check(!floor.defined() || (floor.sizes() == Shape{x.size(1)} && floor.dtype() == x.dtype()),
        "segment_max: the floor is {}, expected {} [{}]", describe(floor), name(x.dtype()), x.size(1));
  check_offsets(x, offsets, floor.defined() && slots > 0);
  const Tensor starts = ops::to(offsets, x.device());
  const int64_t segments = offsets.numel() - 1, channels = x.size(1);
  Tensor y = empty({segments, channels}, {x.dtype(), {}, x.device()});
  Tensor winner = empty({segments, channels}, {DType::Int32, {}, x.device()});
  const Tensor dense = ops::contiguous(x);
  const Tensor dense_floor = floor.defined() ? ops::contiguous(floor) : Tensor();
  const ChannelBlocks blocks(x.device(), channels);
  const int64_t cost = (x.size(0) / std::max<int64_t>(segments, 1) + 1) * blocks.width / 4 + 1;
  dispatch_floating("segment_max", x.dtype(), [&]<class T>() {
    launch(x.device(), segments * blocks.count,
           SegmentMax<T>{dense.data<T>(), floor.defined() ? dense_floor.data<T>() : nullptr, starts.data<int64_t>(),
                         slots, blocks, y.data<T>(), winner.data<int32_t>()},
           cost);
  });
  return record(
      "segment_max", y, {x, floor},
      [winner_ = Saved(winner), offsets_ = Saved(starts), sizes = x.sizes(), blocks, cost](const Tensor& dy,
                                                                                           const NeedsGrad& needs) {
        const Tensor& winner = winner_.get();
        const Tensor gradient = ops::contiguous(dy);
        Grads grads(2);
        dispatch_floating("segment_max", dy.dtype(), [&]<class T>() {
          if (needs[0]) {
            grads[0] = empty(sizes, {dy.dtype(), {}, dy.device()});
            launch(dy.device(), winner.size(0) * blocks.count,
                   SegmentMaxBackward<T>{gradient.data<T>(), winner.data<int32_t>(), offsets_.get().data<int64_t>(),
                                         blocks, grads[0].data<T>()},
                   cost);
          }
          if (needs[1]) {
            const Tensor won = empty(dy.sizes(), {dy.dtype(), {}, dy.device()});
            launch(dy.device(), dy.numel(), FloorWon<T>{gradient.data<T>(), winner.data<int32_t>(), won.data<T>()});
            grads[1] = ops::sum(won, {0});
          }
        });
        return grads;
      });
}

}  // namespace bevgrad
