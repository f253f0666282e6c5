// The sum of frames under weights a pixel: the fusion of frames after a softmax over them.
#include <algorithm>

#include "autograd/functions/softmax.h"
#include "tensor/channel_blocks.h"
#include "tensor/element.h"
#include "tensor/launch.h"
#include "tensor/ops.h"

namespace bevgrad {
namespace {

constexpr int kMaxFrames = 16;

// One index is one pixel and one block of its channels; frames are channels-last.
template <class T, int64_t kBlock>
struct WeightedSum {
  const T* frames[kMaxFrames];
  const T* weights;  // [pixels, K]
  T* y;
  int64_t count, channels, blocks;

  BEVGRAD_HD void operator()(int64_t i) const {
    using R = compute_t<T>;
    const int64_t pixel = i / blocks, begin = i % blocks * kBlock;
    const int64_t width = channels - begin < kBlock ? channels - begin : kBlock;
    R sum[kBlock] = {};
    for (int64_t k = 0; k < count; ++k) {
      const R weight = static_cast<R>(weights[pixel * count + k]);
      const T* frame = frames[k] + pixel * channels + begin;
#pragma omp simd
      for (int64_t c = 0; c < width; ++c) sum[c] += weight * load(frame, c);
    }
#pragma omp simd
    for (int64_t c = 0; c < width; ++c) store(y, pixel * channels + begin + c, sum[c]);
  }
};

// dweights[pixel, k] = sum over channels of dy * frame k. One index is one pixel.
template <class T>
struct WeightedSumWeights {
  const T* frames[kMaxFrames];
  const T* dy;
  T* dweights;
  int64_t count, channels;

  BEVGRAD_HD void operator()(int64_t pixel) const {
    using R = compute_t<T>;
    for (int64_t k = 0; k < count; ++k) {
      const T* frame = frames[k] + pixel * channels;
      const T* gradient = dy + pixel * channels;
      R sum = R(0);
#pragma omp simd reduction(+ : sum)
      for (int64_t c = 0; c < channels; ++c) sum += load(frame, c) * load(gradient, c);
      dweights[pixel * count + k] = static_cast<T>(sum);
    }
  }
};

}  // namespace

Tensor weighted_sum(const std::vector<Tensor>& frames, const Tensor& weights) {
  const OpScope scope("weighted_sum", {{"weights", weights}});
  const auto count = static_cast<int64_t>(frames.size());
  check(count >= 1 && count <= kMaxFrames, "weighted_sum: {} frames were given, expected 1 to {}", count, kMaxFrames);
  const Shape& sizes = frames[0].sizes();
  check(sizes.size() == 4 && weights.sizes() == Shape({sizes[0], count, sizes[2], sizes[3]}),
        "weighted_sum: weights {} do not fit {} frames of {}", to_string(weights.sizes()), count, to_string(sizes));
  std::vector<Saved> saved;
  std::vector<Tensor> dense;
  for (const Tensor& frame : frames) {
    check(frame.sizes() == sizes && frame.dtype() == weights.dtype() && frame.device() == weights.device(),
          "weighted_sum: a frame is {}, the first {}, the weights {}", describe(frame), describe(frames[0]),
          describe(weights));
    dense.push_back(ops::contiguous(detach(frame), MemoryFormat::ChannelsLast));
    saved.emplace_back(requires_grad(weights) ? dense.back() : Tensor());
  }
  const Tensor w = ops::contiguous(detach(weights), MemoryFormat::ChannelsLast);
  const int64_t pixels = sizes[0] * sizes[2] * sizes[3], channels = sizes[1];
  Tensor y = empty(sizes, {weights.dtype(), MemoryFormat::ChannelsLast, weights.device()});
  dispatch_floating("weighted_sum", weights.dtype(), [&]<class T>() {
    with_channel_block(weights.device(), [&]<int64_t kBlock>() {
      const int64_t blocks = blocks_of(channels, kBlock);
      WeightedSum<T, kBlock> functor{{}, w.data<T>(), y.data<T>(), count, channels, blocks};
      for (int64_t k = 0; k < count; ++k) functor.frames[k] = dense[k].data<T>();
      launch(weights.device(), pixels * blocks, functor, count * std::min(channels, kBlock) / 4 + 1);
    });
  });

  std::vector<Tensor> inputs = frames;
  inputs.push_back(weights);
  return record("weighted_sum", y, inputs, [saved, w_ = Saved(w), count](const Tensor& dy, const NeedsGrad& needs) {
    const Tensor& w = w_.get();
    Grads grads(static_cast<size_t>(count) + 1);
    for (int64_t k = 0; k < count; ++k)
      if (needs[k]) grads[k] = ops::mul(dy, ops::narrow(w, 1, k, 1));
    if (needs[count]) {
      const Tensor gradient = ops::contiguous(dy, MemoryFormat::ChannelsLast);
      grads[count] = empty(w.sizes(), {w.dtype(), MemoryFormat::ChannelsLast, w.device()});
      dispatch_floating("weighted_sum", w.dtype(), [&]<class T>() {
        WeightedSumWeights<T> functor{{}, gradient.data<T>(), grads[count].data<T>(), count, dy.size(1)};
        for (int64_t k = 0; k < count; ++k) functor.frames[k] = saved[k].get().data<T>();
        launch(w.device(), w.numel() / count, functor, count * dy.size(1) / 4 + 1);
      });
    }
    return grads;
  });
}

}  // namespace bevgrad
