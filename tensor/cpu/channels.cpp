// Normalisation's passes over memory, on rows of channels. Sums are taken in double over chunks of rows whose bounds
// depend on the shape alone, and added up in the chunks' order, so that the thread count does not show in any bit.
#include <algorithm>
#include <type_traits>
#include <vector>

#include "cpu/backend.h"
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
  for (int64_t i = 0; i < chunks; ++i) body(i * chunk, std::min(shape.rows, (i + 1) * chunk), &partial[i * width]);
  for (int64_t i = 1; i < chunks; ++i)
    for (int64_t j = 0; j < width; ++j) partial[j] += partial[i * width + j];
  partial.resize(static_cast<size_t>(width));
  return partial;
}

/// Rows in blocks small enough to stay in the nearest cache while every lane block passes over them.
constexpr int64_t rows_per_block(int64_t channels) {
  return std::max<int64_t>(4096 / std::max<int64_t>(channels, 1), 8);
}

// Adds a register's doubles to memory.
inline void add_to(double* sums, simd::Vector<double> v, int64_t count) {
  for (int64_t i = 0; i < count; ++i) sums[i] += v[i];
}

template <class T>
std::vector<double> moments(Rows shape, const T* x) {
  using C = compute_t<T>;
  const int64_t channels = shape.channels;
  return chunked_sums(shape, 2 * channels, [=](int64_t first, int64_t last, double* sums) {
    const int64_t step = rows_per_block(channels);
    for (int64_t begin = first; begin < last; begin += step) {
      const int64_t end = std::min(last, begin + step);
      simd::for_each_block(channels, [&](int64_t c, auto lanes) {
        simd::Vector<double> sum = {}, square = {};
        for (int64_t r = begin; r < end; ++r) {
          const auto value = simd::convert<double, C>(lanes.load(x + r * channels + c));
          sum += value;
          square += value * value;
        }
        const int64_t count = std::min<int64_t>(simd::kLanes, channels - c);
        add_to(sums + c, sum, count);
        add_to(sums + channels + c, square, count);
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
    simd::Vector<double> lanes[simd::kLanes] = {};
    int64_t r = first;
    for (; r + simd::kLanes <= last; r += simd::kLanes) {
      const T* at = x + r * channels;
      for (int64_t i = 0; i < channels; ++i) lanes[i] += simd::convert<double, C>(simd::load(at + i * simd::kLanes));
    }
    for (int64_t i = 0; i < channels * simd::kLanes; ++i)
      sums[i % channels] += lanes[i / simd::kLanes][i % simd::kLanes];
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

}  // namespace

void channel_statistics(const Tensor& mean, const Tensor& variance, const Tensor& x, int64_t last_row_count) {
  const Rows shape = rows_of(x);
  if (shape.rows == 0) return;
  double* m = mean.data<double>();
  double* v = variance.data<double>();
  dispatch_floating("channel_statistics", x.dtype(), [&]<class T>() {
    const T* in = x.data<T>();
    const std::vector<double> sums = moments(shape, in);
    const double count = static_cast<double>(shape.rows - 1 + last_row_count);
    const double extra = static_cast<double>(last_row_count - 1);
    const T* last = in + (shape.rows - 1) * shape.channels;
    for (int64_t c = 0; c < shape.channels; ++c) {
      const double value = static_cast<double>(compute_t<T>(last[c]));
      m[c] = (sums[c] + extra * value) / count;
      v[c] = std::max(0.0, (sums[shape.channels + c] + extra * value * value) / count - m[c] * m[c]);
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
    auto run = [&](auto with_residual, auto with_relu) {
      for_each_row_of(shape, [=](int64_t r) {
        const int64_t first = r * channels;
        simd::for_each_block(channels, [=](int64_t c, auto lanes) {
          simd::Vector<C> value = lanes.load(in + first + c) * lanes.load(a + c) + lanes.load(b + c);
          if constexpr (with_residual) value += lanes.load(add + first + c);
          if constexpr (with_relu) value = value < C(0) ? simd::Vector<C>{} : value;
          lanes.store(out + first + c, value);
        });
      });
    };
    if (add && relu) return run(std::true_type{}, std::true_type{});
    if (add) return run(std::true_type{}, std::false_type{});
    if (relu) return run(std::false_type{}, std::true_type{});
    run(std::false_type{}, std::false_type{});
  });
}

void channel_sums(const Tensor& sum_dz, const Tensor& sum_dz_x, const Tensor& dz, const Tensor& dy, const Tensor& y,
                  const Tensor& x, const Tensor& mean) {
  const Rows shape = rows_of(dy);
  dispatch_floating("channel_sums", dy.dtype(), [&]<class T>() {
    using C = compute_t<T>;
    const T* gradient = dy.data<T>();
    const T* output = pointer<T>(y);
    const T* input = pointer<T>(x);
    const double* center = pointer<double>(mean);
    T* masked = pointer<T>(dz);
    const int64_t channels = shape.channels;
    auto run = [&](auto with_mask, auto with_input) {
      return chunked_sums(shape, 2 * channels, [=](int64_t first, int64_t last, double* sums) {
        const int64_t step = rows_per_block(channels);
        for (int64_t begin = first; begin < last; begin += step) {
          const int64_t end = std::min(last, begin + step);
          simd::for_each_block(channels, [&](int64_t c, auto lanes) {
            simd::Vector<double> sum = {}, product = {}, middle = {};
            if constexpr (with_input) middle = lanes.load(center + c);
            for (int64_t r = begin; r < end; ++r) {
              const int64_t at = r * channels + c;
              simd::Vector<C> value = lanes.load(gradient + at);
              if constexpr (with_mask) value = lanes.load(output + at) > C(0) ? value : simd::Vector<C>{};
              const auto wide = simd::convert<double, C>(value);
              sum += wide;
              if constexpr (with_input) product += wide * (simd::convert<double, C>(lanes.load(input + at)) - middle);
              if (masked) lanes.store(masked + at, value);
            }
            const int64_t count = std::min<int64_t>(simd::kLanes, channels - c);
            add_to(sums + c, sum, count);
            add_to(sums + channels + c, product, count);
          });
        }
      });
    };
    using std::false_type, std::true_type;
    if (channels < simd::kLanes && !output && !input && !masked) {
      const std::vector<double> sums = sums_of_few(shape, gradient);
      std::copy_n(sums.begin(), channels, sum_dz.data<double>());
      return;
    }
    const std::vector<double> sums = output
                                         ? (input ? run(true_type{}, true_type{}) : run(true_type{}, false_type{}))
                                         : (input ? run(false_type{}, true_type{}) : run(false_type{}, false_type{}));
    std::copy_n(sums.begin(), channels, sum_dz.data<double>());
    if (sum_dz_x.defined()) std::copy_n(sums.begin() + channels, channels, sum_dz_x.data<double>());
  });
}

void channel_affine_backward(const Tensor& dx, const Tensor& dy, const Tensor& y, const Tensor& x,
                             const ChannelGradient& gradient) {
  const Rows shape = rows_of(dy);
  dispatch_floating("channel_affine_backward", dy.dtype(), [&]<class T>() {
    using C = compute_t<T>;
    using P = parameter_t<T>;
    T* out = dx.data<T>();
    const T* in = dy.data<T>();
    const T* output = pointer<T>(y);
    const T* input = pointer<T>(x);
    const P* a = gradient.a.data<P>();
    const P* b = pointer<P>(gradient.b);
    const P* d = pointer<P>(gradient.d);
    const int64_t channels = shape.channels;
    auto run = [&](auto with_mask, auto with_input) {
      for_each_row_of(shape, [=](int64_t r) {
        const int64_t first = r * channels;
        simd::for_each_block(channels, [=](int64_t c, auto lanes) {
          simd::Vector<C> value = lanes.load(in + first + c);
          if constexpr (with_mask) value = lanes.load(output + first + c) > C(0) ? value : simd::Vector<C>{};
          value *= lanes.load(a + c);
          if constexpr (with_input) value += lanes.load(input + first + c) * lanes.load(b + c) + lanes.load(d + c);
          lanes.store(out + first + c, value);
        });
      });
    };
    using std::false_type, std::true_type;
    if (output && input) return run(true_type{}, true_type{});
    if (output) return run(true_type{}, false_type{});
    if (input) return run(false_type{}, true_type{});
    run(false_type{}, false_type{});
  });
}

}  // namespace bevgrad::cpu
