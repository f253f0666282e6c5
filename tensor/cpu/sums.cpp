#include "cpu/sums.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "tensor/double_lanes.h"
#include "tensor/in_parallel.h"

namespace bevgrad::cpu {
namespace {

using simd::Doubles;
using simd::kLanes;
using simd::widen_values;

constexpr int64_t kChunk = 16384;  // elements

// How an element goes into a sum; 0 adds nothing to any.
struct Value {
  [[gnu::always_inline]] static void add(Doubles& sum, const Doubles& v) { sum.add(v); }
  static double of(double v) { return v; }
};
struct Square {
  [[gnu::always_inline]] static void add(Doubles& sum, const Doubles& v) { sum.add_product(v, v); }
  static double of(double v) { return v * v; }
};
struct ZeroTimes {
  [[gnu::always_inline]] static void add(Doubles& sum, const Doubles& v) { sum.add_product(v, {}); }
  static double of(double v) { return v * 0.0; }
};

// Four vectors at a time, so that no addition waits for the one before. (An array of them would be kept in memory.)
template <class F, class T>
double sum_line(const T* x, int64_t n) {
  using C = compute_t<T>;
  double rest = 0;
  int64_t i = 0;
  Doubles first, second, third, fourth;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
    F::add(first, widen_values<C>(simd::load(x + i)));
    F::add(second, widen_values<C>(simd::load(x + i + kLanes)));
    F::add(third, widen_values<C>(simd::load(x + i + 2 * kLanes)));
    F::add(fourth, widen_values<C>(simd::load(x + i + 3 * kLanes)));
  }
  for (; i + kLanes <= n; i += kLanes) F::add(first, widen_values<C>(simd::load(x + i)));
  for (; i < n; ++i) rest += F::of(static_cast<double>(static_cast<C>(x[i])));
  if (n < kLanes) return rest;
  first.add(second);
  third.add(fourth);
  first.add(third);
  return first.total() + rest;
}

template <class F, class T>
double sum_chunks(const T* x, int64_t n) {
  const int64_t chunks = (n + kChunk - 1) / kChunk;
  std::vector<double> partial(static_cast<size_t>(chunks));
  in_parallel(
      chunks, [&](int64_t c) { partial[c] = sum_line<F>(x + c * kChunk, std::min(kChunk, n - c * kChunk)); }, kChunk);
  return std::accumulate(partial.begin(), partial.end(), 0.0);
}

// sums[i] += column i of `rows` rows of `width` elements, each `stride` from the one before.
template <class F, class T>
void add_rows(double* sums, const T* x, int64_t rows, int64_t stride, int64_t width) {
  using C = compute_t<T>;
  // A few rows are added up in registers before memory is: each of them is read from end to end.
  constexpr int64_t kRows = 8;
  const int64_t whole = width / kLanes * kLanes;
  const auto add = [=](int64_t first, auto count) {
    const T* p = x + first * stride;
    for (int64_t i = 0; i < whole; i += kLanes) {
      Doubles few;
      for (int64_t r = 0; r < count; ++r) F::add(few, widen_values<C>(simd::load(p + r * stride + i)));
      few.add_to(sums + i);
    }
    for (int64_t i = whole; i < width; ++i)
      for (int64_t r = 0; r < count; ++r) sums[i] += F::of(static_cast<double>(static_cast<C>(p[r * stride + i])));
  };
  int64_t first = 0;
  for (; first + kRows <= rows; first += kRows) add(first, std::integral_constant<int64_t, kRows>{});
  if (first < rows) add(first, rows - first);
}

// The same. Rows that fill no whole vectors are taken several at a time, as one that does.
template <class F, class T>
void add_columns(double* sums, const T* x, int64_t rows, int64_t stride, int64_t width) {
  constexpr int64_t kWidest = 2048;
  const int64_t together = kLanes / std::gcd<int64_t>(width, kLanes), wide = together * width;
  if (together > 1 && width == stride && wide <= kWidest && rows >= 2 * together) {
    double of_all[kWidest];
    std::fill_n(of_all, wide, 0.0);
    add_rows<F>(of_all, x, rows / together, wide, wide);
    for (int64_t k = 0; k < together; ++k)
      for (int64_t i = 0; i < width; ++i) sums[i] += of_all[k * width + i];
    x += rows / together * wide;
    rows %= together;
  }
  add_rows<F>(sums, x, rows, stride, width);
}

template <class F, class T>
void sum_middle_of(T* out, const T* in, int64_t outer, int64_t n, int64_t inner, bool root) {
  using C = compute_t<T>;
  const auto result = [root](double total) {
    const C rounded = static_cast<C>(total);
    return static_cast<T>(root ? std::sqrt(rounded) : rounded);
  };
  if (inner == 1 && outer == 1) {
    out[0] = result(sum_chunks<F>(in, n));
    return;
  }
  if (inner == 1)
    return in_parallel(
        outer, [&](int64_t o) { out[o] = result(sum_line<F>(in + o * n, n)); }, n);

  constexpr int64_t kMostColumns = 1024;
  const int64_t block = std::min(inner, kMostColumns);  // columns whose sums a task keeps in the nearest cache
  const int64_t blocks = (inner + block - 1) / block;
  const int64_t rows = std::max<int64_t>(1, 4 * kChunk / block);
  const int64_t chunks = std::max<int64_t>(1, (n + rows - 1) / rows);
  // Sums of the rows of a chunk, of a block of columns.
  const auto add_block = [=](double* sums, int64_t o, int64_t chunk, int64_t first, int64_t width) {
    const int64_t begin = chunk * rows;
    add_columns<F>(sums, in + (o * n + begin) * inner + first, std::min(n - begin, rows), inner, width);
  };
  if (chunks == 1) {
    return in_parallel(
        outer * blocks,
        [&](int64_t task) {
          const int64_t o = task / blocks, first = task % blocks * block, width = std::min(block, inner - first);
          double sums[kMostColumns];
          std::fill_n(sums, width, 0.0);
          add_block(sums, o, 0, first, width);
          for (int64_t i = 0; i < width; ++i) out[o * inner + first + i] = result(sums[i]);
        },
        n * block);
  }
  std::vector<double> partial(static_cast<size_t>(outer * chunks * inner), 0.0);
  in_parallel(
      outer * chunks * blocks,
      [&](int64_t task) {
        const int64_t first = task % blocks * block, chunk = task / blocks % chunks, o = task / blocks / chunks;
        add_block(partial.data() + (o * chunks + chunk) * inner + first, o, chunk, first,
                  std::min(block, inner - first));
      },
      rows * block);
  in_parallel(
      outer * inner,
      [&](int64_t i) {
        const double* of_chunk = partial.data() + i / inner * chunks * inner + i % inner;
        double total = 0;
        for (int64_t chunk = 0; chunk < chunks; ++chunk) total += of_chunk[chunk * inner];
        out[i] = result(total);
      },
      chunks);
}

// Calls f with the type that adds up `what`.
template <class F>
auto with_term(SumOf what, const F& f) {
  if (what == SumOf::Square) return f(Square{});
  if (what == SumOf::ZeroTimes) return f(ZeroTimes{});
  return f(Value{});
}

}  // namespace

double sum_all(const Tensor& x, SumOf what) {
  return dispatch_floating("sum", x.dtype(), [&]<class T>() {
    return with_term(what, [&]<class F>(F) { return sum_chunks<F>(x.data<const T>(), x.numel()); });
  });
}

void sum_middle(const Tensor& out, const Tensor& in, int64_t outer, int64_t n, int64_t inner, SumOf what, bool root) {
  dispatch_floating("sum", in.dtype(), [&]<class T>() {
    with_term(what, [&]<class F>(F) { sum_middle_of<F>(out.data<T>(), in.data<const T>(), outer, n, inner, root); });
  });
}

}  // namespace bevgrad::cpu
