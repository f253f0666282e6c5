// How the dense losses visit their elements on the CPU: channels-last, so that an element's class is its position
// modulo C. Blocks hold whole pixels and a few thousand elements, so that per-class numbers are repeated once over a
// block and the loops stay plain vector code, without a rest that is no whole vector. Chunks of a fixed number of
// blocks make the sums independent of the number of threads.
#pragma once
#include <algorithm>
#include <vector>

#include "tensor/launch.h"
#include "tensor/tensor.h"

namespace bevgrad {

struct ClassRows {
  int64_t classes = 1;
  int64_t count = 0;  // elements
  int64_t block = 1;  // elements of a block: a multiple of `classes`

  static constexpr int64_t kBlocksPerChunk = 16;
  static constexpr int64_t kWidest = 64;  // elements that the compiler's vector code takes at once, at most

  explicit ClassRows(const Tensor& logits)
      : classes(std::max<int64_t>(1, logits.size(1))),
        count(logits.numel()),
        block(classes * kWidest * std::max<int64_t>(1, 2048 / kWidest / classes)) {}

  int64_t chunks() const { return (count + chunk_length() - 1) / chunk_length(); }
  int64_t chunk_length() const { return block * kBlocksPerChunk; }

  /// One number a class, repeated over a block.
  template <class R>
  std::vector<R> repeated(const std::vector<double>& per_class) const {
    std::vector<R> pattern(static_cast<size_t>(block));
    for (int64_t i = 0; i < block; ++i) pattern[i] = static_cast<R>(per_class[i % classes]);
    return pattern;
  }

  /// Calls `visit(chunk, begin, length)` for every block; the blocks of one chunk by one thread, in order.
  template <class Visit>
  void for_each_block(const Visit& visit, int64_t cost = 2) const {
    launch_host(
        chunks(),
        [&](int64_t chunk) {
          const int64_t end = std::min(count, (chunk + 1) * chunk_length());
          for (int64_t begin = chunk * chunk_length(); begin < end; begin += block)
            visit(chunk, begin, std::min(block, end - begin));
        },
        chunk_length() * cost);
  }
};

}  // namespace bevgrad
