// How several strided tensors of one (broadcast) shape are visited together: dimensions in the memory order of the
// first operand, neighbours merged where every operand allows it, then rows along the fastest dimension.
#pragma once
#include <omp.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>

#include "tensor/host_device.h"
#include "tensor/launch.h"
#include "tensor/tensor.h"

namespace bevgrad {

struct Walk {
  static constexpr int kMaxRank = 8;
  static constexpr int kMaxOperands = 4;

  int rank = 0;  // after merging; at least 1
  int64_t count = 0;
  std::array<int64_t, kMaxRank> sizes{};         // fastest first
  int64_t strides[kMaxOperands][kMaxRank] = {};  // [operand][dimension], in elements

  int64_t inner(int operand) const { return strides[operand][0]; }
};

/// What a walk needs to know of a tensor.
struct WalkOperand {
  const Shape& sizes;
  const Shape& strides;
};

/// Plans a walk over `sizes`; each operand has those sizes or broadcasts to them. The first sets the order.
Walk plan_walk(const Shape& sizes, std::initializer_list<WalkOperand> operands);

/// Calls `row(offsets, length)` for pieces of rows along the fastest dimension, in parallel where it pays; `offsets`
/// are those of the piece's first element for the first N operands. `cost`: rough nanoseconds of one element.
template <int N, class Row>
void for_each_row(const Walk& walk, const Row& row, int64_t cost = 1) {
  if (walk.count == 0) return;
  constexpr int64_t kPiece = 8192;
  const int64_t length = walk.sizes[0];
  const int64_t pieces = (length + kPiece - 1) / kPiece;
  const int64_t items = walk.count / length * pieces;

  auto run = [&](int64_t begin, int64_t end) {
    if (begin >= end) return;
    std::array<int64_t, Walk::kMaxRank> index{};
    std::array<int64_t, N> base{};
    int64_t piece = begin % pieces;
    int64_t rest = begin / pieces;
    for (int d = 1; d < walk.rank; ++d) {
      index[d] = rest % walk.sizes[d];
      rest /= walk.sizes[d];
      for (int k = 0; k < N; ++k) base[k] += index[d] * walk.strides[k][d];
    }
    for (int64_t item = begin; item < end; ++item) {
      std::array<int64_t, N> offsets = base;
      for (int k = 0; k < N; ++k) offsets[k] += piece * kPiece * walk.strides[k][0];
      row(offsets, std::min(kPiece, length - piece * kPiece));
      if (++piece < pieces) continue;
      piece = 0;
      for (int d = 1; d < walk.rank; ++d) {
        for (int k = 0; k < N; ++k) base[k] += walk.strides[k][d];
        if (++index[d] < walk.sizes[d]) break;
        for (int k = 0; k < N; ++k) base[k] -= walk.strides[k][d] * walk.sizes[d];
        index[d] = 0;
      }
    }
  };

  if (walk.count * cost < kParallelGrain || items < 2) {
    run(0, items);
    return;
  }
#pragma omp parallel
  {
    const int64_t threads = omp_get_num_threads();
    const int64_t thread = omp_get_thread_num();
    run(items * thread / threads, items * (thread + 1) / threads);
  }
}

/// One element of a walk: where index i lies in each operand.
template <int N, class F>
struct WalkElement {
  Walk walk;
  F f;

  BEVGRAD_HD void operator()(int64_t i) const {
    std::array<int64_t, N> offsets{};
    for (int d = 0; d < walk.rank; ++d) {
      const int64_t index = d + 1 < walk.rank ? i % walk.sizes[d] : i;
      if (d + 1 < walk.rank) i /= walk.sizes[d];
      for (int k = 0; k < N; ++k) offsets[k] += index * walk.strides[k][d];
    }
    f(offsets);
  }
};

/// Calls `f(offsets)` once an element, on any device; `f` is a functor as launch() takes them.
template <int N, class F>
void launch_elements(Device device, const Walk& walk, const F& f, int64_t cost = 1) {
  if (!device.is_cpu()) return launch(device, walk.count, WalkElement<N, F>{walk, f}, cost);
  for_each_row<N>(
      walk,
      [&](std::array<int64_t, N> offsets, int64_t length) {
        for (int64_t i = 0; i < length; ++i) {
          f(offsets);
          for (int k = 0; k < N; ++k) offsets[k] += walk.inner(k);
        }
      },
      cost);
}

}  // namespace bevgrad
