// Normalisation's passes over memory, on rows of channels. Sums are taken in double over chunks of rows whose bounds
// depend on the shape alone, and added up in the chunks' order, so that the thread count does not show in any bit.
#include <algorithm>
#include <type_traits>
#include <vector>

#include "cpu/backend.h"
#include "tensor/double_lanes.h"
#include "tensor/launch.h"
#include "tensor/simd.h"

namespace bevgrad::cpu {
namespace {

constexpr int64_t kMinChunk = 128;  // rows
constexpr int64_t kMaxChunks = 64;

struct Rows {
  int64_t rows, channels;
};

Rows rows_of(const Tensor& x) {
  const int64_t channels = x.size(1);
  return {channels ? x.numel() / channels : 0, channels};
}

template <class T>
using parameter_t = std::conditional_t<std::is_same_v<T, double>, double, float>;

/// Calls body(first row, last row, sums) over chunks in parallel, each with `width` zeroed doubles of its own, and adds
/// those up.
template <class Body>
std::vector<double> chunked_sums(Rows shape, int64_t width, const Body& body) {
  const int64_t chunk = std::max(kMinChunk, (shape.rows + kMaxChunks - 1) / kMaxChunks);
  const int64_t chunks = (shape.rows + chunk - 1) / chunk;
  std::vector<double> partial(static_cast<size_t>(std::max<int64_t>(chunks, 1) * width), 0.0);
  const bool parallel = shape.rows * shape.channels >= kParallelGrain && chunks > 1;
#pragma omp parallel for schedule(static) if (parallel)
  for (int64_t i = 0; i < chunks; ++i)
    body(i * chunk, std::min(shape.rows, (i + 1) * chunk), partial.data() + i * width);
  for (int64_t i = 1; i < chunks; ++i)
    for (int64_t j = 0; j < width; ++j) partial[j] += partial[i * width + j];
  partial.resize(static_cast<size_t>(width));
  return partial;
}

/// Rows in blocks small enough to stay in the nearest cache while every lane block passes over them.
constexpr int64_t rows_per_block(int64_t channels) {
  return std::max<int64_t>(4096 / std::max<int64_t>(channels, 1), 8);
}

// Software prefetch of the next block of rows, one register at a time, while the present one is summed from L1.
template <class T>
class RowPrefetcher {
 public:
  explicit RowPrefetcher(const T* next) : next_(next) {}
  void step() {
    __builtin_prefetch(next_);
    next_ += simd::kLanes;
  }

 private:
  const T* next_;
};

using simd::Doubles;

template <class T>
std::vector<double> moments(Rows shape, const T* x) {
  using C = compute_t<T>;
  const int64_t channels = shape.channels;
  return chunked_sums(shape, 2 * channels, [=](int64_t first, int64_t last, double* sums) {
    const int64_t step = rows_per_block(channels);
    for (int64_t begin = first; begin < last; begin += step) {
      const int64_t end = std::min(last, begin + step);
      RowPrefetcher ahead(x + end * channels);
      simd::for_each_block(channels, [&](int64_t c, auto lanes) {
        Doubles sum, square;
        for (int64_t r = begin; r < end; ++r) {
          ahead.step();
          const Doubles value = simd::widen_values<C>(lanes.load(x + r * channels + c));
          sum.add(value);
          square.add_product(value, value);
        }
        const int64_t count = std::min<int64_t>(simd::kLanes, channels - c);
        sum.add_to(sums + c, count);
        square.add_to(sums + channels + c, count);
      });
    }
  });
}

/// Sums of so few channels that they fill no register: sixteen rows are as many whole registers as there are channels,
/// in which every lane belongs to one channel.
template <class T>
std::vector<double> sums_of_few(Rows shape, const T* x) {
  using C = compute_t<T>;
  const int64_t channels = shape.channels;
  return chunked_sums(shape, channels, [=](int64_t first, int64_t last, double* sums) {
    Doubles lanes[simd::kLanes];
    int64_t r = first;
    for (; r + simd::kLanes <= last; r += simd::kLanes) {
      const T* at = x + r * channels;
      for (int64_t i = 0; i < channels; ++i) lanes[i].add(simd::widen_values<C>(simd::load(at + i * simd::kLanes)));
    }
    double added[simd::kLanes * simd::kLanes] = {};
    for (int64_t i = 0; i < channels; ++i) lanes[i].add_to(added + i * simd::kLanes, simd::kLanes);
    for (int64_t i = 0; i < channels * simd::kLanes; ++i) sums[i % channels] += added[i];
    for (int64_t i = r * channels; i < last * channels; ++i)
      sums[i % channels] += static_cast<double>(static_cast<C>(x[i]));
  });
}

/// Runs body(row) over all rows, in parallel where it pays.
template <class Body>
void for_each_row_of(Rows shape, const Body& body) {
  const bool parallel = shape.rows * shape.channels >= kParallelGrain;
#pragma omp parallel for schedule(static) if (parallel)
  for (int64_t r = 0; r < shape.rows; ++r) body(r);
}

template <class T>
T* pointer(const Tensor& tensor) {
  return tensor.defined() ? tensor.data<T>() : nullptr;
}

// A gradient behind a ReLU, at the values `at` of the channels `c`.
struct NoMask {
  template <class V, class Lanes>
  V operator()(V gradient, int64_t, int64_t, Lanes) const {
    return gradient;
  }
};
template <class T>
struct MaskOfOutput {
  const T* y;
  template <class V, class Lanes>
  V operator()(V gradient, int64_t at, int64_t, Lanes lanes) const {
    return lanes.load(y + at) <= compute_t<T>(0) ? V{} : gradient;
  }
};
template <class T>
struct MaskOfInput {
  const T* x;
  const parameter_t<T>* scale;
  const parameter_t<T>* shift;
  template <class V, class Lanes>
  V operator()(V gradient, int64_t at, int64_t c, Lanes lanes) const {
    const V y = lanes.load(x + at) * lanes.load(scale + c) + lanes.load(shift + c);
    return y <= compute_t<T>(0) ? V{} : gradient;
  }
};

template <class T, class F>
void dispatch_mask(const ReluMask& mask, const Tensor& x, const F& f) {
  using P = parameter_t<T>;
  if (mask.y.defined()) return f(MaskOfOutput<T>{mask.y.data<T>()});
  if (mask.scale.defined()) return f(MaskOfInput<T>{x.data<T>(), mask.scale.data<P>(), mask.shift.data<P>()});
  f(NoMask{});
}

// Calls f(std::true_type) or f(std::false_type).
template <class F>
void dispatch_flag(bool flag, const F& f) {
  flag ? f(std::true_type{}) : f(std::false_type{});
}

}  // namespace

void channel_statistics(const Tensor& mean, const Tensor& variance, const Tensor& x) {
  const Rows shape = rows_of(x);
  if (shape.rows == 0) return;
  double* m = mean.data<double>();
  double* v = variance.data<double>();
  dispatch_floating("channel_statistics", x.dtype(), [&]<class T>() {
    const T* in = x.data<T>();
    const std::vector<double> sums = moments(shape, in);
    const double count = static_cast<double>(shape.rows);
    for (int64_t c = 0; c < shape.channels; ++c) {
      m[c] = sums[c] / count;
      v[c] = std::max(0.0, sums[shape.channels + c] / count - m[c] * m[c]);
    }
  });
}

void channel_affine(const Tensor& y, const Tensor& x, const Tensor& scale, const Tensor& shift, const Tensor& residual,
                    bool relu) {
  const Rows shape = rows_of(x);
  dispatch_floating("channel_affine", x.dtype(), [&]<class T>() {
    using C = compute_t<T>;
    using P = parameter_t<T>;
    const T* in = x.data<T>();
    const T* add = pointer<T>(residual);
    T* out = y.data<T>();
    const P* a = scale.data<P>();
    const P* b = shift.data<P>();
    const int64_t channels = shape.channels;
    dispatch_flag(add != nullptr, [&](auto with_residual) {
      dispatch_flag(relu, [&](auto with_relu) {
        dispatch_flag(out != in && simd::streams(out, shape.rows, channels), [&](auto streamed) {
          for_each_row_of(shape, [=](int64_t r) {
            const int64_t first = r * channels;
            simd::for_each_block(channels, [=](int64_t c, auto lanes) {
              simd::Vector<C> value = lanes.load(in + first + c) * lanes.load(a + c) + lanes.load(b + c);
              if constexpr (with_residual) value += lanes.load(add + first + c);
              if constexpr (with_relu) value = value < C(0) ? simd::Vector<C>{} : value;
              if constexpr (streamed) return lanes.stream(out + first + c, value);
              lanes.store(out + first + c, value);
            });
          });
        });
      });
    });
  });
}

void add_relu(const Tensor& y, const Tensor& residual, bool relu) {
  constexpr int64_t kPiece = 16384;
  const int64_t count = y.numel(), pieces = (count + kPiece - 1) / kPiece;
  dispatch_floating("add_relu", y.dtype(), [&]<class T>() {
    using C = compute_t<T>;
    T* out = y.data<T>();
    const T* add = pointer<T>(residual);
    dispatch_flag(add != nullptr, [&](auto with_residual) {
      dispatch_flag(relu, [&](auto with_relu) {
        launch_host(
            pieces,
            [=](int64_t piece) {
              T* o = out + piece * kPiece;
              const T* a = with_residual ? add + piece * kPiece : nullptr;
              simd::for_each_block(std::min(kPiece, count - piece * kPiece), [=](int64_t i, auto lanes) {
                simd::Vector<C> value = lanes.load(o + i);
                if constexpr (with_residual) value += lanes.load(a + i);
                if constexpr (with_relu) value = value < C(0) ? simd::Vector<C>{} : value;
                lanes.store(o + i, value);
              });
            },
            kPiece / 4);
      });
    });
  });
}

void channel_sums(const Tensor& sum_dz, const Tensor& sum_dz_x, const Tensor& dz, const Tensor& dy,
                  const ReluMask& mask, const Tensor& x, const Tensor& mean) {
  const Rows shape = rows_of(dy);
  dispatch_floating("channel_sums", dy.dtype(), [&]<class T>() {
    using C = compute_t<T>;
    const T* gradient = dy.data<T>();
    const T* input = pointer<T>(x);
    const double* center = pointer<double>(mean);
    T* masked = pointer<T>(dz);
    const int64_t channels = shape.channels;
    if (channels < simd::kLanes && !mask.y.defined() && !input && !masked) {
      const std::vector<double> sums = sums_of_few(shape, gradient);
      std::copy_n(sums.begin(), channels, sum_dz.data<double>());
      return;
    }
    std::vector<double> sums;
    dispatch_mask<T>(mask, x, [&](auto unmasked) {
      dispatch_flag(center != nullptr, [&](auto with_input) {
        sums = chunked_sums(shape, 2 * channels, [=](int64_t first, int64_t last, double* sums) {
          const int64_t step = rows_per_block(channels);
          for (int64_t begin = first; begin < last; begin += step) {
            const int64_t end = std::min(last, begin + step);
            RowPrefetcher ahead(gradient + end * channels), ahead_of_input(input ? input + end * channels : nullptr);
            simd::for_each_block(channels, [&](int64_t c, auto lanes) {
              Doubles sum, product, middle;
              if constexpr (with_input) middle = simd::widen_values<double>(lanes.load(center + c));
              for (int64_t r = begin; r < end; ++r) {
                ahead.step();
                if constexpr (with_input) ahead_of_input.step();
                const int64_t at = r * channels + c;
                const simd::Vector<C> value = unmasked(lanes.load(gradient + at), at, c, lanes);
                const Doubles wide = simd::widen_values<C>(value);
                sum.add(wide);
                if constexpr (with_input) {
                  Doubles offset = simd::widen_values<C>(lanes.load(input + at));
                  offset.low -= middle.low;
                  offset.high -= middle.high;
                  product.add_product(wide, offset);
                }
                if (masked) lanes.store(masked + at, value);
              }
              const int64_t count = std::min<int64_t>(simd::kLanes, channels - c);
              sum.add_to(sums + c, count);
              product.add_to(sums + channels + c, count);
            });
          }
        });
      });
    });
    std::copy_n(sums.begin(), channels, sum_dz.data<double>());
    if (sum_dz_x.defined()) std::copy_n(sums.begin() + channels, channels, sum_dz_x.data<double>());
  });
}

void channel_affine_backward(const Tensor& dx, const Tensor& dy, const ReluMask& mask, const Tensor& x,
                             const ChannelGradient& gradient) {
  const Rows shape = rows_of(dy);
  dispatch_floating("channel_affine_backward", dy.dtype(), [&]<class T>() {
    using C = compute_t<T>;
    using P = parameter_t<T>;
    T* out = dx.data<T>();
    const T* in = dy.data<T>();
    const T* input = pointer<T>(x);
    const P* a = gradient.a.data<P>();
    const P* b = pointer<P>(gradient.b);
    const P* d = pointer<P>(gradient.d);
    const int64_t channels = shape.channels;
    dispatch_mask<T>(mask, x, [&](auto unmasked) {
      dispatch_flag(b != nullptr, [&](auto with_input) {
        dispatch_flag(out != in && simd::streams(out, shape.rows, channels), [&](auto streamed) {
          for_each_row_of(shape, [=](int64_t r) {
            const int64_t first = r * channels;
            simd::for_each_block(channels, [=](int64_t c, auto lanes) {
              const int64_t at = first + c;
              simd::Vector<C> value = unmasked(lanes.load(in + at), at, c, lanes) * lanes.load(a + c);
              if constexpr (with_input) value += lanes.load(input + at) * lanes.load(b + c) + lanes.load(d + c);
              if constexpr (streamed) return lanes.stream(out + at, value);
              lanes.store(out + at, value);
            });
          });
        });
      });
    });
  });
}

}  // namespace bevgrad::cpu
