#include "functions/internal/row_norm.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "tensor/double_lanes.h"
#include "tensor/in_parallel.h"

namespace bevgrad::row_norm {
namespace {

using simd::Doubles;
using simd::kLanes;
using simd::widen_values;

template <class T>
using parameter_t = std::conditional_t<std::is_same_v<T, double>, double, float>;

template <class P>
const P* values_of(const Tensor& tensor) {
  return tensor.defined() ? tensor.data<const P>() : nullptr;
}

// Sums of deviations from the first value, which is no further from the mean than the others: nothing cancels.
template <class T>
void statistics(const T* x, int64_t n, bool centred, double eps, double& mean, double& inv_std) {
  using C = compute_t<T>;
  const double pivot = centred ? static_cast<double>(static_cast<C>(x[0])) : 0.0;
  Doubles sums, squares;
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const Doubles d = widen_values<C>(simd::load(x + i)).less(pivot);
    sums.add(d);
    squares.add_product(d, d);
  }
  double sum = sums.total(), square = squares.total();
  for (; i < n; ++i) {
    const double d = static_cast<double>(static_cast<C>(x[i])) - pivot;
    sum += d;
    square += d * d;
  }
  const double count = static_cast<double>(n), shift = centred ? sum / count : 0.0;
  mean = pivot + shift;
  inv_std = 1.0 / std::sqrt(std::max(square / count - shift * shift, 0.0) + eps);
}

// to = (x - centre) scale + shift, with scale and shift of the piece or one for each place.
template <class T, class P>
void write(T* to, const T* x, int64_t n, double mean, double inv_std, const P* weight, const P* bias, bool by_piece) {
  using C = compute_t<T>;
  const C centre = static_cast<C>(mean), factor = static_cast<C>(inv_std);
  if (by_piece || !weight) {
    const C scale = weight ? factor * static_cast<C>(*weight) : factor;
    if (!bias || by_piece) {
      const C shift = bias ? static_cast<C>(*bias) : C(0);
      return simd::for_each_block(
          n, [=](int64_t i, auto lanes) { lanes.store(to + i, (lanes.load(x + i) - centre) * scale + shift); });
    }
    return simd::for_each_block(n, [=](int64_t i, auto lanes) {
      lanes.store(to + i, (lanes.load(x + i) - centre) * scale + lanes.load(bias + i));
    });
  }
  if (!bias) {
    return simd::for_each_block(n, [=](int64_t i, auto lanes) {
      lanes.store(to + i, (lanes.load(x + i) - centre) * factor * lanes.load(weight + i));
    });
  }
  simd::for_each_block(n, [=](int64_t i, auto lanes) {
    lanes.store(to + i, (lanes.load(x + i) - centre) * factor * lanes.load(weight + i) + lanes.load(bias + i));
  });
}

// Sums over a piece of dy and of dy times the normalised value.
struct Sums {
  double plain = 0, product = 0;
};

// A few terms at a time are added up as they are, and these in float64.
template <bool kWeighted, class T, class P>
Sums sums_of(const T* dy, const T* x, int64_t n, double mean, double inv_std, const P* weight) {
  using C = compute_t<T>;
  using V = simd::Vector<C>;
  constexpr int64_t kTerms = 4;
  const C centre = static_cast<C>(mean), factor = static_cast<C>(inv_std);
  const auto gradient = [=](int64_t i, auto lanes) {
    const V g = lanes.load(dy + i);
    if constexpr (kWeighted) return V(g * lanes.load(weight + i));
    return g;
  };
  const auto normal = [=](int64_t i, auto lanes) { return V((lanes.load(x + i) - centre) * factor); };
  Doubles plain, product;
  int64_t i = 0;
  for (; i + kTerms * kLanes <= n; i += kTerms * kLanes) {
    V few{}, few_products{};
    for (int64_t k = i; k < i + kTerms * kLanes; k += kLanes) {
      const V g = gradient(k, simd::FullBlock{});
      few += g;
      few_products += g * normal(k, simd::FullBlock{});
    }
    plain.add(widen_values<C>(few));
    product.add(widen_values<C>(few_products));
  }
  for (; i < n; i += kLanes) {
    // Lanes past the end hold a gradient of 0.
    const bool whole = i + kLanes <= n;
    const simd::PartialBlock rest{n - i};
    const V g = whole ? gradient(i, simd::FullBlock{}) : gradient(i, rest);
    plain.add(widen_values<C>(g));
    product.add(widen_values<C>(g * (whole ? normal(i, simd::FullBlock{}) : normal(i, rest))));
  }
  return {plain.total(), product.total()};
}

// dx = inv_std (g - mean of g - normalised x times mean of g times it), g = dy weight.
template <class T, class P>
void write_gradient(T* dx, const T* dy, const T* x, int64_t n, double mean, double inv_std, const P* weight,
                    bool by_piece, const Sums& means) {
  using C = compute_t<T>;
  const C centre = static_cast<C>(mean), factor = static_cast<C>(inv_std);
  const C plain = static_cast<C>(means.plain), slope = static_cast<C>(means.product);
  if (by_piece || !weight) {
    const C scale = weight ? static_cast<C>(*weight) : C(1);
    return simd::for_each_block(n, [=](int64_t i, auto lanes) {
      const auto normal = (lanes.load(x + i) - centre) * factor;
      lanes.store(dx + i, (lanes.load(dy + i) * scale - plain - normal * slope) * factor);
    });
  }
  simd::for_each_block(n, [=](int64_t i, auto lanes) {
    const auto normal = (lanes.load(x + i) - centre) * factor;
    lanes.store(dx + i, (lanes.load(dy + i) * lanes.load(weight + i) - plain - normal * slope) * factor);
  });
}

// Rows are taken a few at a time: what a pass over them left in the nearest cache serves the next.
constexpr int64_t kRowsAtATime = 8;
// Partial sums over rows have bounds that depend on the shape alone.
constexpr int64_t kMostChunks = 64;

// sums[0][i] += dy, sums[1][i] += dy normalised, over rows [first, last).
template <class T>
void add_columns(double* sums, const T* dy, const T* x, const double* mean, const double* inv_std, int64_t first,
                 int64_t last, int64_t n) {
  using C = compute_t<T>;
  C centre[kRowsAtATime], factor[kRowsAtATime];
  const int64_t rows = last - first;
  for (int64_t r = 0; r < rows; ++r) {
    centre[r] = static_cast<C>(mean[first + r]);
    factor[r] = static_cast<C>(inv_std[first + r]);
  }
  dy += first * n;
  x += first * n;
  simd::for_each_block(n, [=]<class Lanes>(int64_t i, Lanes lanes) {
    simd::Vector<C> plain{}, product{};
    for (int64_t r = 0; r < rows; ++r) {
      const simd::Vector<C> g = lanes.load(dy + r * n + i);
      plain += g;
      product += g * ((lanes.load(x + r * n + i) - centre[r]) * factor[r]);
    }
    if constexpr (std::is_same_v<Lanes, simd::FullBlock>) {
      widen_values<C>(plain).add_to(sums + i);
      widen_values<C>(product).add_to(sums + n + i);
    } else {
      widen_values<C>(plain).add_to(sums + i, n - i);
      widen_values<C>(product).add_to(sums + n + i, n - i);
    }
  });
}

template <class P>
void store_sums(const Tensor& target, const double* sums) {
  if (!target.defined()) return;
  P* to = target.data<P>();
  for (int64_t i = 0; i < target.numel(); ++i) to[i] = static_cast<P>(sums[i]);
}

template <class T, class P>
void backward_by_place(T* dx, const Tensor& dweight, const Tensor& dbias, const T* dy, const T* x, const P* weight,
                       const double* mean, const double* inv_std, const Rows& rows) {
  const int64_t n = rows.length();
  const bool wants_sums = dweight.defined() || dbias.defined();
  const int64_t chunk = std::max<int64_t>(2 * kRowsAtATime, (rows.count + kMostChunks - 1) / kMostChunks);
  const int64_t chunks = (rows.count + chunk - 1) / chunk;
  std::vector<double> partial(static_cast<size_t>(wants_sums ? std::max<int64_t>(chunks, 1) * 2 * n : 0));
  in_parallel(
      chunks,
      [&](int64_t c) {
        const int64_t end = std::min(rows.count, (c + 1) * chunk);
        for (int64_t first = c * chunk; first < end; first += kRowsAtATime) {
          const int64_t last = std::min(end, first + kRowsAtATime);
          if (wants_sums) add_columns(partial.data() + c * 2 * n, dy, x, mean, inv_std, first, last, n);
          for (int64_t r = first; dx && r < last; ++r) {
            Sums means = weight ? sums_of<true>(dy + r * n, x + r * n, n, mean[r], inv_std[r], weight)
                                : sums_of<false>(dy + r * n, x + r * n, n, mean[r], inv_std[r], weight);
            means.plain = rows.centred ? means.plain / static_cast<double>(n) : 0.0;
            means.product /= static_cast<double>(n);
            write_gradient(dx + r * n, dy + r * n, x + r * n, n, mean[r], inv_std[r], weight, false, means);
          }
        }
      },
      chunk * n);
  if (!wants_sums) return;
  for (int64_t c = 1; c < chunks; ++c)
    for (int64_t i = 0; i < 2 * n; ++i) partial[i] += partial[c * 2 * n + i];
  store_sums<P>(dbias, partial.data());
  store_sums<P>(dweight, partial.data() + n);
}

template <class T, class P>
void backward_by_piece(T* dx, const Tensor& dweight, const Tensor& dbias, const T* dy, const T* x, const P* weight,
                       const double* mean, const double* inv_std, const Rows& rows) {
  const int64_t pieces = rows.pieces, span = rows.span, n = rows.length();
  std::vector<Sums> sums(static_cast<size_t>(rows.count * pieces));
  in_parallel(
      rows.count,
      [&](int64_t r) {
        const P* w = weight ? weight + r % rows.period * pieces : nullptr;
        Sums means;
        for (int64_t p = 0; p < pieces; ++p) {
          const int64_t at = r * n + p * span;
          const Sums of_piece = sums_of<false>(dy + at, x + at, span, mean[r], inv_std[r], w);
          const double scale = w ? static_cast<double>(w[p]) : 1.0;
          means.plain += scale * of_piece.plain / static_cast<double>(n);
          means.product += scale * of_piece.product / static_cast<double>(n);
          sums[r * pieces + p] = of_piece;
        }
        for (int64_t p = 0; dx && p < pieces; ++p) {
          const int64_t at = r * n + p * span;
          write_gradient(dx + at, dy + at, x + at, span, mean[r], inv_std[r], w ? w + p : nullptr, true, means);
        }
      },
      2 * n);
  const int64_t channels = rows.period * pieces;
  std::vector<double> plain(static_cast<size_t>(channels)), product(static_cast<size_t>(channels));
  for (int64_t i = 0; i < rows.count * pieces; ++i) {
    plain[i % channels] += sums[i].plain;
    product[i % channels] += sums[i].product;
  }
  store_sums<P>(dbias, plain.data());
  store_sums<P>(dweight, product.data());
}

}  // namespace

void forward(const Tensor& y, const Tensor& mean, const Tensor& inv_std, const Tensor& x, const Tensor& weight,
             const Tensor& bias, const Rows& rows, double eps) {
  const int64_t n = rows.length();
  if (n == 0) return;
  dispatch_floating("normalisation", x.dtype(), [&]<class T>() {
    using P = parameter_t<T>;
    T* out = y.data<T>();
    const T* in = x.data<const T>();
    const P *w = values_of<P>(weight), *b = values_of<P>(bias);
    double *means = mean.data<double>(), *factors = inv_std.data<double>();
    in_parallel(
        rows.count,
        [=](int64_t r) {
          statistics(in + r * n, n, rows.centred, eps, means[r], factors[r]);
          if (!rows.by_piece) return write(out + r * n, in + r * n, n, means[r], factors[r], w, b, false);
          for (int64_t p = 0; p < rows.pieces; ++p) {
            const int64_t channel = r % rows.period * rows.pieces + p, at = r * n + p * rows.span;
            write(out + at, in + at, rows.span, means[r], factors[r], w ? w + channel : nullptr,
                  b ? b + channel : nullptr, true);
          }
        },
        n);
  });
}

void backward(const Tensor& dx, const Tensor& dweight, const Tensor& dbias, const Tensor& dy, const Tensor& x,
              const Tensor& weight, const Tensor& mean, const Tensor& inv_std, const Rows& rows) {
  dispatch_floating("normalisation", x.dtype(), [&]<class T>() {
    using P = parameter_t<T>;
    const auto run = rows.by_piece ? backward_by_piece<T, P> : backward_by_place<T, P>;
    run(dx.defined() ? dx.data<T>() : nullptr, dweight, dbias, dy.data<const T>(), x.data<const T>(),
        values_of<P>(weight), mean.data<const double>(), inv_std.data<const double>(), rows);
  });
}

}  // namespace bevgrad::row_norm
