// Reductions: sums by cpu/sums.h on the processor, and in float64 on a device.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "cpu/sums.h"
#include "internal/sums.h"
#include "tensor/element.h"
#include "tensor/euclidean.h"
#include "tensor/ops.h"
#include "tensor/tape.h"

namespace bevgrad::ops {
namespace {

// Which dimensions are reduced: all where none is named.
std::vector<bool> reduced_mask(const char* op, const Tensor& x, const std::vector<int>& dims) {
  const auto rank = static_cast<size_t>(std::max(x.dim(), 1));
  std::vector<bool> mask(rank, dims.empty());
  for (int dim : dims) {
    const int d = wrap_dimension_or_scalar(op, dim, x.dim());
    check(!mask[d], "{}: dimension {} is named twice", op, dim);
    mask[d] = true;
  }
  mask.resize(static_cast<size_t>(x.dim()));
  return mask;
}

// x with its dimensions sorted by memory: all elements of a dense tensor in the order in which they lie.
Tensor in_memory_order(const Tensor& x) {
  std::vector<int> order(static_cast<size_t>(x.dim()));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return x.strides()[a] > x.strides()[b]; });
  return contiguous(permute(x, order));
}

struct Itself {
  BEVGRAD_HD double operator()(double v) const { return v; }
};
struct Square {
  BEVGRAD_HD double operator()(double v) const { return v * v; }
};
// Zero times anything finite is zero; infinities and NaN become NaN.
struct TimesZero {
  BEVGRAD_HD double operator()(double v) const { return v * 0.0; }
};

template <class T, class F>
struct ElementTerm {
  const T* data;
  F f;
  BEVGRAD_HD double operator()(int64_t i) const { return f(static_cast<double>(load(data, i))); }
};

// Sum of f(element) over a dense tensor; on the processor `what` is f.
template <class F>
double sum_of_all(const char* op, const Tensor& dense, cpu::SumOf what, const F& f) {
  if (dense.device().is_cpu()) return cpu::sum_all(dense, what);
  return dispatch_floating(op, dense.dtype(), [&]<class T>() {
    return device_sum(dense.device(), dense.numel(), ElementTerm<T, F>{dense.data<const T>(), f});
  });
}

// One partial sum of an element (o, i) of the result: every `parts`-th row, so that neighbouring indices read
// neighbouring elements.
template <class T, class F>
struct PartialSum {
  double* partial;  // [outer, parts, inner]
  const T* in;      // [outer, n, inner]
  int64_t n, inner, parts;
  F f;

  BEVGRAD_HD void operator()(int64_t index) const {
    const int64_t i = index % inner, part = index / inner % parts, o = index / inner / parts;
    double total = 0;
    for (int64_t r = part; r < n; r += parts) total += f(static_cast<double>(load(in, (o * n + r) * inner + i)));
    partial[index] = total;
  }
};

template <class T>
struct CombineSums {
  T* out;                 // [outer, inner]
  const double* partial;  // [outer, parts, inner]
  int64_t inner, parts;
  bool root;

  BEVGRAD_HD void operator()(int64_t index) const {
    const int64_t i = index % inner, o = index / inner;
    double total = 0;
    for (int64_t part = 0; part < parts; ++part) total += partial[(o * parts + part) * inner + i];
    const auto rounded = static_cast<compute_t<T>>(total);
    store(out, index, root ? std::sqrt(rounded) : rounded);
  }
};

// [outer, n, inner] -> [outer, inner]: enough partial sums to fill a device, then their sums.
template <class T, class F>
void sum_on_device(Device device, T* out, const T* in, int64_t outer, int64_t n, int64_t inner, const F& f, bool root) {
  constexpr int64_t kEnoughThreads = 65536, kRowsWorthAThread = 16;
  const int64_t wanted = (kEnoughThreads + outer * inner - 1) / (outer * inner);
  const int64_t parts = std::clamp<int64_t>(n / kRowsWorthAThread, 1, wanted);
  const Tensor partial = empty({outer, parts, inner}, {DType::Float64, {}, device});
  launch(device, partial.numel(), PartialSum<T, F>{partial.data<double>(), in, n, inner, parts, f});
  launch(device, outer * inner, CombineSums<T>{out, partial.data<double>(), inner, parts, root});
}

enum class Reduced { Sum, RootOfSquares };

// Over the marked dimensions; sizes of 1 stay in their place. float16 is summed in float32, integers in float64 (exact
// below 2^53) to int64.
Tensor reduce_masked(const Tensor& x, const std::vector<bool>& mask, Reduced what = Reduced::Sum) {
  if (x.dtype() == DType::Float16) return to(reduce_masked(to(x, DType::Float32), mask, what), DType::Float16);
  if (!is_floating_point(x.dtype())) return to(reduce_masked(to(x, DType::Float64), mask, what), DType::Int64);
  Shape kept = x.sizes();
  for (size_t d = 0; d < mask.size(); ++d)
    if (mask[d]) kept[d] = 1;
  if (x.numel() == 0) return zeros(kept, {x.dtype(), {}, x.device()});

  // Dimensions in memory order, neighbours of one kind merged. What remains is outer kept, reduced, inner kept where
  // that suffices; otherwise the kept dimensions are brought to the front first.
  std::vector<int> order(static_cast<size_t>(x.dim()));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return x.strides()[a] > x.strides()[b]; });
  auto groups_of = [&] {
    int groups = 0;
    bool last = false, any = false;
    for (int d : order) {
      if (x.sizes()[d] == 1) continue;
      if (!any || mask[d] != last) ++groups;
      any = true;
      last = mask[d];
    }
    return groups;
  };
  bool starts_reduced = false;
  for (int d : order)
    if (x.sizes()[d] != 1) {
      starts_reduced = mask[d];
      break;
    }
  if (groups_of() > (starts_reduced ? 2 : 3))
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return mask[a] < mask[b]; });
  const Tensor dense = contiguous(permute(x, order));

  int64_t outer = 1, reduced = 1, inner = 1;
  bool seen = false;
  Shape permuted;
  for (int d : order) {
    permuted.push_back(kept[d]);
    const int64_t size = x.sizes()[d];
    if (mask[d]) {
      reduced *= size;
      seen = seen || size != 1;
    } else {
      (seen ? inner : outer) *= size;
    }
  }
  Tensor result = empty(permuted, {x.dtype(), {}, x.device()});
  const bool root = what == Reduced::RootOfSquares;
  if (x.device().is_cpu()) {
    cpu::sum_middle(result, dense, outer, reduced, inner, root ? cpu::SumOf::Square : cpu::SumOf::Value, root);
  } else {
    dispatch_floating("sum", x.dtype(), [&]<class T>() {
      T* out = result.data<T>();
      const T* in = dense.data<const T>();
      if (root) {
        sum_on_device(x.device(), out, in, outer, reduced, inner, Square{}, true);
      } else {
        sum_on_device(x.device(), out, in, outer, reduced, inner, Itself{}, false);
      }
    });
  }
  std::vector<int> inverse(order.size());
  for (size_t i = 0; i < order.size(); ++i) inverse[order[i]] = static_cast<int>(i);
  return permute(result, inverse);
}

Tensor drop(const Tensor& x, const std::vector<bool>& mask) {
  Shape sizes, strides;
  for (size_t d = 0; d < mask.size(); ++d) {
    if (mask[d]) continue;
    sizes.push_back(x.sizes()[d]);
    strides.push_back(x.strides()[d]);
  }
  return Tensor(x.storage(), x.offset(), std::move(sizes), std::move(strides), x.dtype());
}

}  // namespace

Tensor sum(const Tensor& x) {
  const tape::PlainOp scope("sum", {{"x", x}});
  const std::vector<bool> all(static_cast<size_t>(x.dim()), true);
  return drop(reduce_masked(x, all), all);
}

Tensor sum(const Tensor& x, const std::vector<int>& dims, bool keep_dims) {
  const tape::PlainOp scope("sum", {{"x", x}});
  const std::vector<bool> mask = reduced_mask("sum", x, dims);
  const Tensor result = reduce_masked(x, mask);
  return keep_dims ? result : drop(result, mask);
}

Tensor mean(const Tensor& x) {
  return mean(x, {});
}

Tensor mean(const Tensor& x, const std::vector<int>& dims, bool keep_dims) {
  const tape::PlainOp scope("mean", {{"x", x}});
  if (x.dtype() == DType::Float16) return to(mean(to(x, DType::Float32), dims, keep_dims), DType::Float16);
  const std::vector<bool> mask = reduced_mask("mean", x, dims);
  int64_t count = 1;
  for (size_t d = 0; d < mask.size(); ++d)
    if (mask[d]) count *= x.sizes()[d];
  return div(sum(x, dims, keep_dims), static_cast<double>(count));
}

Tensor root_of_squares(const Tensor& x, const std::vector<int>& dims) {
  const tape::PlainOp scope("root_of_squares", {{"x", x}});
  check(is_floating_point(x.dtype()), "norm: the input is {}, expected a floating-point tensor", describe(x));
  return reduce_masked(x, reduced_mask("norm", x, dims), Reduced::RootOfSquares);
}

double sum_of_squares(const Tensor& x) {
  const tape::EngineScope scope("sum_of_squares");  // a number cuts no tape
  const Tensor dense = in_memory_order(x);
  return sum_of_all("sum_of_squares", dense, cpu::SumOf::Square, Square{});
}

bool all_finite(const Tensor& x) {
  const tape::EngineScope scope("all_finite");
  const Tensor dense = in_memory_order(x);
  return sum_of_all("all_finite", dense, cpu::SumOf::ZeroTimes, TimesZero{}) == 0.0;
}

Tensor sum_to(const Tensor& x, const Shape& sizes) {
  const tape::PlainOp scope("sum_to", {{"x", x}});
  if (x.sizes() == sizes) return x;
  const int missing = x.dim() - static_cast<int>(sizes.size());
  bool fits = missing >= 0;
  std::vector<int> dims;
  for (int d = 0; fits && d < x.dim(); ++d) {
    const int64_t wanted = d < missing ? 1 : sizes[d - missing];
    fits = wanted == 1 || wanted == x.sizes()[d];
    if (wanted == 1 && (x.sizes()[d] != 1 || d < missing)) dims.push_back(d);
  }
  check(fits, "sum_to: {} does not reduce to {}", to_string(x.sizes()), to_string(sizes));
  return reshape(sum(x, dims, true), sizes);
}

}  // namespace bevgrad::ops
