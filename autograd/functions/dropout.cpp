#include "autograd/functions/dropout.h"

#include <algorithm>
#include <array>

#include "autograd/checkpoint.h"
#include "functions/internal/float16.h"
#include "functions/internal/rule_ops.h"
#include "tensor/element.h"
#include "tensor/launch.h"

namespace bevgrad {
namespace {

// Four elements a counter, so that each has a word of its own. The words of elements 4 i to 4 i + 3.
BEVGRAD_HD inline std::array<uint32_t, 4> words_of(int64_t i, uint64_t seed) {
  return philox({static_cast<uint32_t>(i), static_cast<uint32_t>(i >> 32), 0x64726f70u, 0},
                {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)});
}

struct Draw {
  uint64_t seed;
  uint32_t threshold;  // words below it drop
  double scale;

  Draw(double p, uint64_t seed)
      : seed(seed), threshold(static_cast<uint32_t>(std::min(p * 4294967296.0, 4294967295.0))), scale(1 / (1 - p)) {}
};

// y and x lie alike.
template <class T>
struct DropElement {
  T* y;
  const T* x;
  Draw draw;
  int64_t count;

  BEVGRAD_HD void operator()(int64_t i) const {
    const auto words = words_of(i, draw.seed);
    for (int64_t k = 0; k < 4 && 4 * i + k < count; ++k) {
      const compute_t<T> value = load(x, 4 * i + k);
      store(y, 4 * i + k, words[k] < draw.threshold ? compute_t<T>(0) : value * static_cast<compute_t<T>>(draw.scale));
    }
  }
};

// On a device, which draws the words for the gradient again.
Tensor dropped_on_device(const Tensor& x, const Draw& draw) {
  const Tensor dense = ops::contiguous(x);
  const Tensor y = empty(x.sizes(), {x.dtype(), {}, x.device()});
  dispatch_floating("dropout", x.dtype(), [&]<class T>() {
    launch(x.device(), (x.numel() + 3) / 4, DropElement<T>{y.data<T>(), dense.data<const T>(), draw, x.numel()}, 20);
  });
  return y;
}

// 1 where an element of x stays, laid out as x is: drawing takes a processor longer than reading this again.
Tensor drawn_places(const Tensor& x, const Draw& draw) {
  const Tensor places = empty(x.sizes(), {DType::UInt8});
  uint8_t* out = places.data<uint8_t>();
  launch_host((x.numel() + 3) / 4,
              [=, count = x.numel()](int64_t i) {
                const auto words = words_of(i, draw.seed);
                for (int64_t k = 0; k < 4 && 4 * i + k < count; ++k)
                  out[4 * i + k] = words[k] >= draw.threshold ? 1 : 0;
              },
              20);
  return ops::contiguous(places, x.suggested_format());
}

Tensor dropped_by(const Tensor& x, const Tensor& places, const Draw& draw) {
  constexpr int64_t kPiece = 4096;
  const MemoryFormat format = places.suggested_format();
  const Tensor dense = ops::contiguous(x, format), y = empty(x.sizes(), {x.dtype(), format});
  const uint8_t* stays = places.data<const uint8_t>();
  dispatch_floating("dropout", x.dtype(), [&]<class T>() {
    using C = compute_t<T>;
    T* out = y.data<T>();
    const T* in = dense.data<const T>();
    launch_host((x.numel() + kPiece - 1) / kPiece,
                [=, count = x.numel(), scale = static_cast<C>(draw.scale)](int64_t piece) {
                  const int64_t end = std::min(count, (piece + 1) * kPiece);
#pragma omp simd
                  for (int64_t i = piece * kPiece; i < end; ++i) {
                    const C value = load(in, i) * scale;  // read without a condition, as vectors are
                    store(out, i, stays[i] != 0 ? value : C(0));
                  }
                },
                kPiece);
  });
  return y;
}

// What is drawn is dropped, from x as from its gradient; `places` is on the processor only.
Tensor dropped(const Tensor& x, const Draw& draw, const Tensor& places) {
  const OpScope scope("dropout");
  const auto plain = [=](const Tensor& x) {
    return places.defined() ? dropped_by(x, places, draw) : dropped_on_device(x, draw);
  };
  return record("dropout", plain(x), {x}, twice([=](const Tensor& dy, const NeedsGrad&) {
                  return Grads{rule::is_recorded() ? dropped(dy, draw, places) : plain(dy)};
                }));
}

}  // namespace

Tensor dropout(const Tensor& x, double p, Generator& generator) {
  if (is_float16(x)) return to(dropout(in_float32(x), p, generator), DType::Float16);
  const OpScope scope("dropout", {{"x", x}});
  check(p >= 0 && p < 1, "dropout: the probability is {}, expected 0 to below 1", p);
  const uint64_t seed = replayed_draw([&] { return generator.next_u64(); });
  if (p == 0)
    return record("dropout", detach(x), {x}, twice([](const Tensor& dy, const NeedsGrad&) { return Grads{dy}; }));
  const Draw draw(p, seed);
  return dropped(x, draw, x.device().is_cpu() ? drawn_places(x, draw) : Tensor());
}

}  // namespace bevgrad
