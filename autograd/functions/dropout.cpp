#include "autograd/functions/dropout.h"

#include <algorithm>

#include "autograd/checkpoint.h"
#include "functions/internal/float16.h"
#include "tensor/element.h"
#include "tensor/launch.h"

namespace bevgrad {
namespace {

// Four elements a counter, so that each has a word of its own. Offsets are y's and x's; both lie alike.
template <class T>
struct DropOut {
  T* y;
  const T* x;
  uint64_t seed;
  uint32_t threshold;  // words below it drop
  double scale;
  int64_t count;

  BEVGRAD_HD void operator()(int64_t i) const {
    const auto words = philox({static_cast<uint32_t>(i), static_cast<uint32_t>(i >> 32), 0x64726f70u, 0},
                              {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)});
    for (int64_t k = 0; k < 4 && 4 * i + k < count; ++k) {
      const compute_t<T> value = load(x, 4 * i + k);
      store(y, 4 * i + k, words[k] < threshold ? compute_t<T>(0) : value * static_cast<compute_t<T>>(scale));
    }
  }
};

Tensor dropped(const Tensor& x, double p, uint64_t seed) {
  const Tensor dense = ops::contiguous(x);
  const Tensor y = empty(x.sizes(), {x.dtype(), {}, x.device()});
  const double words = p * 4294967296.0;
  dispatch_floating("dropout", x.dtype(), [&]<class T>() {
    launch(x.device(), (x.numel() + 3) / 4,
           DropOut<T>{y.data<T>(), dense.data<const T>(), seed, static_cast<uint32_t>(std::min(words, 4294967295.0)),
                      1 / (1 - p), x.numel()},
           20);
  });
  return y;
}

}  // namespace

Tensor dropout(const Tensor& x, double p, Generator& generator) {
  if (is_float16(x)) return to(dropout(in_float32(x), p, generator), DType::Float16);
  const OpScope scope("dropout", {{"x", x}});
  check(p >= 0 && p < 1, "dropout: the probability is {}, expected 0 to below 1", p);
  const uint64_t seed = replayed_draw([&] { return generator.next_u64(); });
  if (p == 0) return record("dropout", detach(x), {x}, [](const Tensor& dy, const NeedsGrad&) { return Grads{dy}; });
  return record("dropout", dropped(x, p, seed), {x},
                [p, seed](const Tensor& dy, const NeedsGrad&) { return Grads{dropped(dy, p, seed)}; });
}

}  // namespace bevgrad
