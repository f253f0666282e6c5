// Maxima and minima along a dimension, and where they stand.
#include "tensor/extremes.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "tensor/element.h"
#include "tensor/ops.h"
#include "tensor/tape.h"
#include "tensor/walk.h"

namespace bevgrad::ops {
namespace {

// The first extreme along n elements wins; a NaN is one.
template <class T>
struct ExtremeElement {
  T* out;
  int64_t* where;
  const T* in;
  int64_t n, step;
  bool largest;

  BEVGRAD_HD void operator()(const std::array<int64_t, 3>& offsets) const {
    const T* p = in + offsets[2];
    compute_t<T> best = load(p, 0);
    int64_t best_index = 0;
    for (int64_t j = 1; j < n; ++j) {
      const compute_t<T> value = load(p, j * step);
      if ((largest ? value > best : value < best) || (value != value && best == best)) {
        best = value;
        best_index = j;
      }
    }
    store(out, offsets[0], best);
    where[offsets[1]] = best_index;
  }
};

// The place of the first extreme of n neighbours; the first NaN is one.
template <bool kLargest, class T>
int64_t extreme_place(const T* p, int64_t n) {
  using C = compute_t<T>;
  C best = load(p, 0);
  int undefined = 0;  // not a bool, which would keep the loop from becoming vector code
#pragma omp simd reduction(| : undefined)
  for (int64_t i = 0; i < n; ++i) undefined |= load(p, i) != load(p, i) ? 1 : 0;
  if (undefined) {
    int64_t i = 0;
    while (load(p, i) == load(p, i)) ++i;
    return i;
  }
  if constexpr (kLargest) {
#pragma omp simd reduction(max : best)
    for (int64_t i = 0; i < n; ++i) best = load(p, i) > best ? load(p, i) : best;
  } else {
#pragma omp simd reduction(min : best)
    for (int64_t i = 0; i < n; ++i) best = load(p, i) < best ? load(p, i) : best;
  }
  // By pieces, so that those without it are passed in whole vectors.
  constexpr int64_t kPiece = 64;
  int64_t begin = 0;
  for (; begin + kPiece < n; begin += kPiece) {
    int found = 0;
#pragma omp simd reduction(| : found)
    for (int64_t i = 0; i < kPiece; ++i) found |= load(p, begin + i) == best ? 1 : 0;
    if (found) break;
  }
  while (load(p, begin) != best) ++begin;
  return begin;
}

// Columns side by side: the extremes of [n, width], rows `inner` apart.
constexpr int64_t kExtremeColumns = 128;

template <bool kLargest, class T>
void extreme_columns(T* values, int64_t* index, const T* p, int64_t n, int64_t inner, int64_t width) {
  using C = compute_t<T>;
  C best[kExtremeColumns];
  int32_t place[kExtremeColumns] = {};
  for (int64_t c = 0; c < width; ++c) best[c] = load(p, c);
  for (int64_t k = 1; k < n; ++k) {
    const T* row = p + k * inner;
#pragma omp simd
    for (int64_t c = 0; c < width; ++c) {
      const C value = load(row, c);
      const bool better = ((kLargest ? value > best[c] : value < best[c]) | (value != value)) & (best[c] == best[c]);
      best[c] = better ? value : best[c];
      place[c] = better ? static_cast<int32_t>(k) : place[c];
    }
  }
  for (int64_t c = 0; c < width; ++c) store(values, c, best[c]);
  for (int64_t c = 0; c < width; ++c) index[c] = place[c];
}

template <bool kLargest, class T>
void extremes(T* values, int64_t* index, const T* in, int64_t outer, int64_t n, int64_t inner) {
  if (inner == 1) {
    return launch_host(
        outer,
        [=](int64_t row) {
          index[row] = extreme_place<kLargest>(in + row * n, n);
          values[row] = in[row * n + index[row]];
        },
        n);
  }
  const int64_t pieces = (inner + kExtremeColumns - 1) / kExtremeColumns;
  launch_host(
      outer * pieces,
      [=](int64_t task) {
        const int64_t o = task / pieces, first = task % pieces * kExtremeColumns;
        extreme_columns<kLargest>(values + o * inner + first, index + o * inner + first, in + o * n * inner + first, n,
                                  inner, std::min(kExtremeColumns, inner - first));
      },
      n * std::min(kExtremeColumns, inner));
}

// Along one axis that stays with size 1, for elements as they lie in memory.
std::pair<Tensor, Tensor> extreme_on_host(const Tensor& x, int axis, bool largest) {
  std::vector<int> order(static_cast<size_t>(x.dim())), inverse(order.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return x.strides()[a] > x.strides()[b]; });
  const Tensor dense = contiguous(permute(x, order));
  const int64_t n = x.size(axis);
  check(n <= std::numeric_limits<int32_t>::max(), "max: {} has more than 2^31 elements in a line", describe(x));
  int64_t outer = 1, inner = 1;
  bool behind = false;
  Shape kept;
  for (size_t i = 0; i < order.size(); ++i) {
    const int d = order[i];
    inverse[d] = static_cast<int>(i);
    kept.push_back(d == axis ? 1 : x.size(d));
    if (d == axis) {
      behind = true;
    } else {
      (behind ? inner : outer) *= x.size(d);
    }
  }
  const Tensor values = empty(kept, {x.dtype()}), index = empty(kept, {DType::Int64});
  dispatch_all(x.dtype(), [&]<class T>() {
    const auto run = largest ? extremes<true, T> : extremes<false, T>;
    run(values.data<T>(), index.data<int64_t>(), dense.data<const T>(), outer, n, inner);
  });
  return {permute(values, inverse), permute(index, inverse)};
}

std::pair<Tensor, Tensor> extreme_with_index(const char* op, const Tensor& x, int dim, bool keep_dims, bool largest) {
  const tape::PlainOp scope(op, {{"x", x}});
  if (x.dim() == 0) {
    const auto [values, index] = extreme_with_index(op, unsqueeze(x, 0), dim, true, largest);
    return {squeeze(values, 0), squeeze(index, 0)};
  }
  const int axis = wrap_dimension_or_scalar(op, dim, x.dim());
  const int64_t n = x.sizes()[axis];
  check(n > 0, "{}: dimension {} of {} is empty", op, dim, to_string(x.sizes()));
  Shape kept = x.sizes();
  kept[axis] = 1;
  if (x.device().is_cpu() && x.numel() > 0) {
    const auto [values, index] = extreme_on_host(x, axis, largest);
    if (keep_dims) return {values, index};
    return {squeeze(values, axis), squeeze(index, axis)};
  }
  Tensor values = empty(kept, {x.dtype(), x.suggested_format(), x.device()});
  Tensor index = empty(kept, {DType::Int64, x.suggested_format(), x.device()});
  const int64_t step = x.strides()[axis];
  const Tensor first = narrow(x, axis, 0, 1);
  dispatch_all(x.dtype(), [&]<class T>() {
    const T* in = first.data<T>();
    T* out = values.data<T>();
    int64_t* where = index.data<int64_t>();
    const Walk walk = plan_walk(kept, {{kept, values.strides()}, {kept, index.strides()}, {kept, first.strides()}});
    launch_elements<3>(x.device(), walk, ExtremeElement<T>{out, where, in, n, step, largest}, n);
  });
  if (keep_dims) return {values, index};
  return {squeeze(values, axis), squeeze(index, axis)};
}

}  // namespace

std::pair<Tensor, Tensor> max_with_index(const Tensor& x, int dim, bool keep_dims) {
  return extreme_with_index("max", x, dim, keep_dims, true);
}

std::pair<Tensor, Tensor> min_with_index(const Tensor& x, int dim, bool keep_dims) {
  return extreme_with_index("min", x, dim, keep_dims, false);
}

Tensor max(const Tensor& x, int dim, bool keep_dims) {
  return max_with_index(x, dim, keep_dims).first;
}

}  // namespace bevgrad::ops
