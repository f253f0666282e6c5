// Sums over the rows of every channel, and what batch normalisation makes of them. They are taken in double over chunks
// of rows whose bounds depend on the shape alone, then a team adds the chunks' sums in a fixed order and goes on with
// the channel: two launches.
#include <algorithm>

#include "cuda/backend.h"
#include "cuda/channel_rows.h"
#include "tensor/launch_teams.h"
#include "tensor/norm_functors.h"
#include "tensor/pack.h"

namespace bevgrad::cuda {
namespace {

constexpr int64_t kThreadsWanted = int64_t{1} << 15;  // of 16 bytes a load, several at once: fills the largest devices
constexpr int64_t kMinChunk = 16;                     // rows

struct Chunks {
  int64_t rows, packs, length, count;

  Chunks(Rows shape, int lanes) : rows(shape.rows), packs(shape.channels / lanes) {
    const int64_t wanted = std::max<int64_t>(kThreadsWanted / std::max<int64_t>(packs, 1), 1);
    length = std::max(kMinChunk, (rows + wanted - 1) / wanted);
    count = std::max<int64_t>((rows + length - 1) / length, 1);
  }
};

// Index i takes the channels of one pack in one chunk.
struct Piece {
  int64_t first, last, pack, chunk;

  BEVGRAD_HD Piece(const Chunks& chunks, int64_t i) : chunk(i / chunks.packs) {
    pack = i - chunk * chunks.packs;
    first = chunk * chunks.length;
    last = first + chunks.length < chunks.rows ? first + chunks.length : chunks.rows;
  }
};

// The partial sums are [chunk][2][channels].
template <int kLanes>
BEVGRAD_HD void store_partial(double* partial, const Piece& piece, int64_t channels, const double* sum,
                              const double* product) {
  double* out = partial + piece.chunk * 2 * channels + piece.pack * kLanes;
  for (int k = 0; k < kLanes; ++k) {
    out[k] = sum[k];
    out[channels + k] = product[k];
  }
}

template <class T, int kLanes>
struct Moments {
  double* partial;
  const T* x;
  Chunks chunks;

  BEVGRAD_HD void operator()(int64_t i) const {
    const Piece piece(chunks, i);
    const int64_t channels = chunks.packs * kLanes;
    double sum[kLanes] = {}, square[kLanes] = {};
    for (int64_t row = piece.first; row < piece.last; ++row) {
      compute_t<T> values[kLanes];
      load_pack<kLanes>(values, x + row * channels + piece.pack * kLanes);
      for (int k = 0; k < kLanes; ++k) {
        const auto value = static_cast<double>(values[k]);
        sum[k] += value;
        square[k] += value * value;
      }
    }
    store_partial<kLanes>(partial, piece, channels, sum, square);
  }
};

template <class T, int kLanes>
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
    const Piece piece(chunks, i);
    const int64_t channels = chunks.packs * kLanes, c = piece.pack * kLanes;
    typename Mask<T>::Channel passes[kLanes];
    double middle[kLanes], sum[kLanes] = {}, product[kLanes] = {};
    for (int k = 0; k < kLanes; ++k) {
      passes[k] = mask.channel(c + k);
      middle[k] = mean ? mean[c + k] : 0.0;
    }
    for (int64_t row = piece.first; row < piece.last; ++row) {
      const int64_t at = row * channels + c;
      C value[kLanes], output[kLanes] = {}, input[kLanes] = {};
      load_pack<kLanes>(value, dy + at);
      if (mask.y) load_pack<kLanes>(output, mask.y + at);
      if (x) load_pack<kLanes>(input, x + at);
      for (int k = 0; k < kLanes; ++k) {
        if (!passes[k].holds(output[k], input[k])) value[k] = C(0);
        sum[k] += static_cast<double>(value[k]);
        product[k] += static_cast<double>(value[k]) * (static_cast<double>(input[k]) - middle[k]);
      }
      if (dz) store_pack<kLanes>(dz + at, value);
    }
    store_partial<kLanes>(partial, piece, channels, sum, product);
  }
};

/// Adds the chunks' sums up: then(channel, sum, product).
template <class Then>
struct AddChunks {
  static constexpr int kSums = 2;
  const double* partial;
  int64_t channels;
  Then then;

  BEVGRAD_HD void add(int64_t chunk, int64_t c, double* sums) const {
    const double* of_chunk = partial + chunk * 2 * channels + c;
    sums[0] += of_chunk[0];
    sums[1] += of_chunk[channels];
  }
  BEVGRAD_HD void finish(int64_t c, const double* sums) const { then(c, sums[0], sums[1]); }
};

struct StoreSums {
  double* sum;
  double* product;  // may be null

  BEVGRAD_HD void operator()(int64_t c, double s, double p) const {
    sum[c] = s;
    if (product) product[c] = p;
  }
};

struct StoreStatistics {
  double* mean;
  double* variance;
  int64_t rows;

  BEVGRAD_HD void operator()(int64_t c, double sum, double square) const {
    const double count = static_cast<double>(rows), m = sum / count, v = square / count - m * m;
    mean[c] = m;
    variance[c] = v > 0 || v != v ? v : 0;
  }
};

template <class P>
struct FinishForward {
  StoreStatistics statistics;
  norm_functors::UpdateRunning<P> running;
  norm_functors::InverseDeviation<double> deviation;
  norm_functors::Affine<P> affine;

  BEVGRAD_HD void operator()(int64_t c, double sum, double square) const {
    statistics(c, sum, square);
    if (running.running_mean) running(c);
    deviation(c);
    affine(c);
  }
};

template <class P>
struct FinishBackward {
  StoreSums sums;
  P* dgamma;  // these may be null
  P* dbeta;
  norm_functors::Coefficients<P> coefficients;

  BEVGRAD_HD void operator()(int64_t c, double sum, double product) const {
    sums(c, sum, product);
    if (dgamma) dgamma[c] = static_cast<P>(product * coefficients.inv_std[c]);
    if (dbeta) dbeta[c] = static_cast<P>(sum);
    if (coefficients.a) coefficients(c);
  }
};

Tensor per_channel(int64_t channels, Device device) {
  return empty({channels}, {DType::Float64, {}, device});
}

template <class T, class Then>
void moments(const Tensor& x, const Then& then) {
  const Rows shape = rows_of(x);
  const auto run = [&]<int kLanes>() {
    const Chunks chunks(shape, kLanes);
    const Tensor partial = per_channel(chunks.count * 2 * shape.channels, x.device());
    double* sums = partial.data<double>();
    launch(x.device(), chunks.count * chunks.packs, Moments<T, kLanes>{sums, x.data<T>(), chunks});
    launch_column_sums(x.device(), chunks.count, shape.channels, AddChunks<Then>{sums, shape.channels, then});
  };
  fits_packs<T>(shape.channels, x) ? run.template operator()<kFullPack<T>>() : run.template operator()<1>();
}

template <class T, class Then>
void gradient_sums(const Tensor& dz, const Tensor& dy, const ReluMask& mask, const Tensor& x, const Tensor& mean,
                   const Then& then) {
  const Rows shape = rows_of(dy);
  const auto run = [&]<int kLanes>() {
    const Chunks chunks(shape, kLanes);
    const Tensor partial = per_channel(chunks.count * 2 * shape.channels, dy.device());
    double* sums = partial.data<double>();
    launch(dy.device(), chunks.count * chunks.packs,
           GradientSums<T, kLanes>{sums, pointer<T>(dz), dy.data<T>(), Mask<T>(mask), pointer<T>(x),
                                   pointer<double>(mean), chunks});
    launch_column_sums(dy.device(), chunks.count, shape.channels, AddChunks<Then>{sums, shape.channels, then});
  };
  fits_packs<T>(shape.channels, dy, dz, mask.y, x) ? run.template operator()<kFullPack<T>>()
                                                   : run.template operator()<1>();
}

}  // namespace

void channel_statistics(const Tensor& mean, const Tensor& variance, const Tensor& x) {
  const Rows shape = rows_of(x);
  if (shape.rows == 0) return;
  dispatch_floating("channel_statistics", x.dtype(), [&]<class T>() {
    moments<T>(x, StoreStatistics{mean.data<double>(), variance.data<double>(), shape.rows});
  });
}

void channel_sums(const Tensor& sum_dz, const Tensor& sum_dz_x, const Tensor& dz, const Tensor& dy,
                  const ReluMask& mask, const Tensor& x, const Tensor& mean) {
  dispatch_floating("channel_sums", dy.dtype(), [&]<class T>() {
    gradient_sums<T>(dz, dy, mask, x, mean, StoreSums{sum_dz.data<double>(), pointer<double>(sum_dz_x)});
  });
}

void norm_forward(const NormState& state, const Tensor& x, const NormParameters& norm) {
  const Rows shape = rows_of(x);
  const Tensor variance = per_channel(shape.channels, x.device());
  dispatch_floating("norm_forward", x.dtype(), [&]<class T>() {
    using P = parameter_t<T>;
    double* mean = state.mean.data<double>();
    double* v = variance.data<double>();
    double* inv_std = state.inv_std.data<double>();
    moments<T>(x, FinishForward<P>{{mean, v, shape.rows},
                                   {pointer<P>(norm.running_mean), pointer<P>(norm.running_var), mean, v, nullptr,
                                    static_cast<double>(shape.rows), norm.momentum},
                                   {v, inv_std, norm.eps},
                                   {norm.gamma.data<P>(), norm.beta.data<P>(), mean, inv_std, state.scale.data<P>(),
                                    state.shift.data<P>()}});
  });
}

void norm_backward(const ChannelGradient& gradient, const Tensor& dgamma, const Tensor& dbeta, const Tensor& dz,
                   const Tensor& dy, const ReluMask& mask, const Tensor& x, const Tensor& gamma,
                   const NormState& state) {
  const Rows shape = rows_of(dy);
  const Tensor sums = per_channel(2 * shape.channels, dy.device());
  dispatch_floating("norm_backward", dy.dtype(), [&]<class T>() {
    using P = parameter_t<T>;
    const double *mean = state.mean.data<double>(), *inv_std = state.inv_std.data<double>();
    double* sum = sums.data<double>();
    double* product = sum + shape.channels;
    const norm_functors::Coefficients<P> coefficients{gamma.data<P>(),
                                                      mean,
                                                      inv_std,
                                                      sum,
                                                      product,
                                                      nullptr,
                                                      static_cast<double>(shape.rows),
                                                      1,
                                                      pointer<P>(gradient.a),
                                                      pointer<P>(gradient.b),
                                                      pointer<P>(gradient.d)};
    gradient_sums<T>(dz, dy, mask, x, state.mean,
                     FinishBackward<P>{{sum, product}, pointer<P>(dgamma), pointer<P>(dbeta), coefficients});
  });
}

}  // namespace bevgrad::cuda
