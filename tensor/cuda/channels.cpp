// Normalisation's passes over memory, on rows of channels. Neighbouring threads work on neighbouring channels. Sums are
// taken in double over chunks of rows whose bounds depend on the shape alone, and added up in a fixed order.
#include <algorithm>
#include <type_traits>

#include "cuda/backend.h"
#include "cuda/pack.h"
#include "tensor/launch.h"

namespace bevgrad::cuda {
namespace {

template <class T>
using parameter_t = std::conditional_t<std::is_same_v<T, double>, double, float>;

template <class T>
T* pointer(const Tensor& tensor) {
  return tensor.defined() ? tensor.data<T>() : nullptr;
}

struct Rows {
  int64_t rows, channels;
};

Rows rows_of(const Tensor& x) {
  const int64_t channels = x.size(1);
  return {channels ? x.numel() / channels : 0, channels};
}

// ReluMask, as pointers.
template <class T>
struct Mask {
  const T* y;
  const parameter_t<T>* scale;
  const parameter_t<T>* shift;

  explicit Mask(const ReluMask& mask)
      : y(pointer<T>(mask.y)), scale(pointer<parameter_t<T>>(mask.scale)), shift(pointer<parameter_t<T>>(mask.shift)) {}

  /// y and x: the values there, of channel c.
  BEVGRAD_HD bool holds(compute_t<T> output, compute_t<T> input, int64_t c) const {
    using C = compute_t<T>;
    if (y) return !(output <= C(0));
    return !scale || !(input * static_cast<C>(scale[c]) + static_cast<C>(shift[c]) <= C(0));
  }
};

// ---- Per element.

template <class T, int kLanes>
struct Affine {
  T* y;
  const T* x;
  const parameter_t<T>* scale;
  const parameter_t<T>* shift;
  const T* residual;
  bool relu;
  int64_t packs;  // of a row

  BEVGRAD_HD void operator()(int64_t i) const {
    using C = compute_t<T>;
    const int64_t at = i * kLanes, c = i % packs * kLanes;
    C value[kLanes], add[kLanes] = {};
    load_pack<kLanes>(value, x + at);
    if (residual) load_pack<kLanes>(add, residual + at);
    for (int k = 0; k < kLanes; ++k) {
      if (scale) value[k] *= static_cast<C>(scale[c + k]);
      if (shift) value[k] += static_cast<C>(shift[c + k]);
      if (residual) value[k] += add[k];
      if (relu && value[k] < C(0)) value[k] = C(0);  // NaN stays NaN
    }
    store_pack<kLanes>(y + at, value);
  }
};

template <class T, int kLanes>
struct AffineBackward {
  T* dx;
  const T* dy;
  Mask<T> mask;
  const T* x;
  const parameter_t<T>* a;
  const parameter_t<T>* b;
  const parameter_t<T>* d;
  int64_t packs;

  BEVGRAD_HD void operator()(int64_t i) const {
    using C = compute_t<T>;
    const int64_t at = i * kLanes, c = i % packs * kLanes;
    C value[kLanes], output[kLanes] = {}, input[kLanes] = {};
    load_pack<kLanes>(value, dy + at);
    if (mask.y) load_pack<kLanes>(output, mask.y + at);
    if (x) load_pack<kLanes>(input, x + at);
    for (int k = 0; k < kLanes; ++k) {
      if (!mask.holds(output[k], input[k], c + k)) value[k] = C(0);
      value[k] *= static_cast<C>(a[c + k]);
      if (b) value[k] += input[k] * static_cast<C>(b[c + k]) + static_cast<C>(d[c + k]);
    }
    store_pack<kLanes>(dx + at, value);
  }
};

// ---- Sums. A set of partial sums is [chunk][2][channels].

constexpr int64_t kThreadsWanted = int64_t{1} << 18;  // fill the largest devices
constexpr int64_t kMinChunk = 16;                     // rows
constexpr int64_t kGroup = 64;                        // partial sums that one thread adds

struct Chunks {
  int64_t rows, channels, length, count;

  explicit Chunks(Rows shape) : rows(shape.rows), channels(shape.channels) {
    const int64_t wanted = std::max<int64_t>(kThreadsWanted / std::max<int64_t>(channels, 1), 1);
    length = std::max(kMinChunk, (rows + wanted - 1) / wanted);
    count = std::max<int64_t>((rows + length - 1) / length, 1);
  }
};

struct ChunkBounds {
  int64_t first, last, channel;
};

BEVGRAD_HD inline ChunkBounds bounds(const Chunks& chunks, int64_t i) {
  const int64_t chunk = i / chunks.channels, first = chunk * chunks.length, end = first + chunks.length;
  return {first, end < chunks.rows ? end : chunks.rows, i - chunk * chunks.channels};
}

template <class T>
struct Moments {
  double* partial;
  const T* x;
  Chunks chunks;

  BEVGRAD_HD void operator()(int64_t i) const {
    const ChunkBounds b = bounds(chunks, i);
    double sum = 0, square = 0;
    for (int64_t r = b.first; r < b.last; ++r) {
      const double value = static_cast<double>(load(x, r * chunks.channels + b.channel));
      sum += value;
      square += value * value;
    }
    double* out = partial + i / chunks.channels * 2 * chunks.channels + b.channel;
    out[0] = sum;
    out[chunks.channels] = square;
  }
};

template <class T>
struct GradientSums {
  double* partial;
  T* dz;
  const T* dy;
  Mask<T> mask;
  const T* x;
  const double* mean;
  Chunks chunks;

  BEVGRAD_HD void operator()(int64_t i) const {
    using C = compute_t<T>;
    const ChunkBounds b = bounds(chunks, i);
    const double middle = mean ? mean[b.channel] : 0.0;
    double sum = 0, product = 0;
    for (int64_t r = b.first; r < b.last; ++r) {
      const int64_t at = r * chunks.channels + b.channel;
      C value = load(dy, at);
      const C output = mask.y ? load(mask.y, at) : C(0), input = x ? load(x, at) : C(0);
      if (!mask.holds(output, input, b.channel)) value = C(0);
      sum += static_cast<double>(value);
      product += static_cast<double>(value) * (static_cast<double>(input) - middle);
      if (dz) store(dz, at, value);
    }
    double* out = partial + i / chunks.channels * 2 * chunks.channels + b.channel;
    out[0] = sum;
    out[chunks.channels] = product;
  }
};

/// Adds up to kGroup sets of partial sums into one.
struct Combine {
  double* first;   // of the first half of each set
  double* second;  // of the other half, or null
  int64_t step;    // from one combined set to the next
  const double* partial;
  int64_t sets, channels;

  BEVGRAD_HD void operator()(int64_t i) const {
    const int64_t width = 2 * channels, group = i / width, j = i - group * width;
    const int64_t begin = group * kGroup, end = begin + kGroup < sets ? begin + kGroup : sets;
    double sum = 0;
    for (int64_t set = begin; set < end; ++set) sum += partial[set * width + j];
    if (j < channels) {
      first[group * step + j] = sum;
    } else if (second) {
      second[group * step + j - channels] = sum;
    }
  }
};

struct FinishStatistics {
  double* mean;
  double* variance;
  const double* sums;
  int64_t channels, rows;

  BEVGRAD_HD void operator()(int64_t c) const {
    const double count = static_cast<double>(rows);
    const double m = sums[c] / count;
    const double v = sums[channels + c] / count - m * m;
    mean[c] = m;
    variance[c] = v > 0 || v != v ? v : 0;
  }
};

Tensor partial_sums(int64_t sets, int64_t channels, Device device) {
  return empty({sets, 2, channels}, {DType::Float64, {}, device});
}

/// The sum of all sets: halves into `first` and `second` (which may be null).
void combine(Tensor partial, double* first, double* second) {
  const Device device = partial.device();
  const int64_t channels = partial.size(2);
  for (;;) {
    const int64_t sets = partial.size(0), groups = (sets + kGroup - 1) / kGroup;
    if (groups == 1) {
      return launch(device, 2 * channels, Combine{first, second, 0, partial.data<double>(), sets, channels}, 100);
    }
    const Tensor combined = partial_sums(groups, channels, device);
    double* out = combined.data<double>();
    launch(device, groups * 2 * channels,
           Combine{out, out + channels, 2 * channels, partial.data<double>(), sets, channels}, 100);
    partial = combined;
  }
}

}  // namespace

void channel_statistics(const Tensor& mean, const Tensor& variance, const Tensor& x) {
  const Rows shape = rows_of(x);
  if (shape.rows == 0) return;
  const Chunks chunks(shape);
  const Tensor partial = partial_sums(chunks.count, shape.channels, x.device());
  const Tensor sums = partial_sums(1, shape.channels, x.device());
  double* all = sums.data<double>();
  dispatch_floating("channel_statistics", x.dtype(), [&]<class T>() {
    const T* in = x.data<T>();
    launch(x.device(), chunks.count * shape.channels, Moments<T>{partial.data<double>(), in, chunks}, chunks.length);
    combine(partial, all, all + shape.channels);
    launch(x.device(), shape.channels,
           FinishStatistics{mean.data<double>(), variance.data<double>(), all, shape.channels, shape.rows});
  });
}

void channel_affine(const Tensor& y, const Tensor& x, const Tensor& scale, const Tensor& shift, const Tensor& residual,
                    bool relu) {
  const int64_t channels = x.size(1);
  dispatch_floating("channel_affine", x.dtype(), [&]<class T>() {
    using P = parameter_t<T>;
    constexpr int kLanes = kFullPack<T>;
    T* out = y.data<T>();
    const T* in = x.data<T>();
    const P* a = pointer<P>(scale);
    const P* b = pointer<P>(shift);
    const T* add = pointer<T>(residual);
    if (fits_packs<T>(channels, y, x, residual))
      return launch(x.device(), x.numel() / kLanes, Affine<T, kLanes>{out, in, a, b, add, relu, channels / kLanes},
                    kLanes);
    launch(x.device(), x.numel(), Affine<T, 1>{out, in, a, b, add, relu, channels});
  });
}

void channel_sums(const Tensor& sum_dz, const Tensor& sum_dz_x, const Tensor& dz, const Tensor& dy,
                  const ReluMask& mask, const Tensor& x, const Tensor& mean) {
  const Rows shape = rows_of(dy);
  const Chunks chunks(shape);
  const Tensor partial = partial_sums(chunks.count, shape.channels, dy.device());
  dispatch_floating("channel_sums", dy.dtype(), [&]<class T>() {
    launch(dy.device(), chunks.count * shape.channels,
           GradientSums<T>{partial.data<double>(), pointer<T>(dz), dy.data<T>(), Mask<T>(mask), pointer<T>(x),
                           pointer<double>(mean), chunks},
           chunks.length);
  });
  combine(partial, sum_dz.data<double>(), pointer<double>(sum_dz_x));
}

void channel_affine_backward(const Tensor& dx, const Tensor& dy, const ReluMask& mask, const Tensor& x,
                             const ChannelGradient& gradient) {
  const int64_t channels = dy.size(1);
  dispatch_floating("channel_affine_backward", dy.dtype(), [&]<class T>() {
    using P = parameter_t<T>;
    constexpr int kLanes = kFullPack<T>;
    T* out = dx.data<T>();
    const T* in = dy.data<T>();
    const Mask<T> relu(mask);
    const T* input = pointer<T>(x);
    const P* a = gradient.a.data<P>();
    const P* b = pointer<P>(gradient.b);
    const P* d = pointer<P>(gradient.d);
    if (fits_packs<T>(channels, dx, dy, mask.y, x))
      return launch(dy.device(), dy.numel() / kLanes,
                    AffineBackward<T, kLanes>{out, in, relu, input, a, b, d, channels / kLanes}, kLanes);
    launch(dy.device(), dy.numel(), AffineBackward<T, 1>{out, in, relu, input, a, b, d, channels});
  });
}

}  // namespace bevgrad::cuda
