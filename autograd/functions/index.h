// Python's index syntax: index(x, {0, Slice(1, 5), newaxis}) is x[0, 1:5, None].
#pragma once
#include <limits>
#include <variant>
#include <vector>

#include "autograd/autograd.h"

namespace bevgrad {

/// start:end:step of one dimension, as slice() takes them; Slice() is all of it.
struct Slice {
  int64_t start = 0;
  int64_t end = std::numeric_limits<int64_t>::max();
  int64_t step = 1;

  Slice() = default;
  explicit Slice(int64_t first, int64_t last = std::numeric_limits<int64_t>::max(), int64_t every = 1)
      : start(first), end(last), step(every) {}
};
/// A new dimension of size 1.
inline constexpr struct NewAxis {
} newaxis;
/// As many whole dimensions as the other entries leave; once at most.
inline constexpr struct Ellipsis {
} ellipsis;

using IndexEntry = std::variant<int64_t, Slice, NewAxis, Ellipsis>;

/// The part of x that the entries say, one for each dimension from the first on: a number takes one index and the
/// dimension away. Dimensions without an entry stay whole. The result shares memory with x.
Tensor index(const Tensor& x, const std::vector<IndexEntry>& entries);

}  // namespace bevgrad
