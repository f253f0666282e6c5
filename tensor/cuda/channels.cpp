// Normalisation's passes over memory, on rows of channels: each thread keeps the coefficients of its channels and takes
// several rows.
#include "cuda/backend.h"
#include "cuda/channel_rows.h"
#include "tensor/launch.h"
#include "tensor/pack.h"

namespace bevgrad::cuda {
namespace {

// Which rows and channels an index takes: neighbours lie side by side in memory.
struct RowSteps {
  static constexpr int64_t kRowsEach = 8;
  int64_t packs;  // of a row
  int64_t rows;
  int64_t step;  // from one row of an index to its next

  RowSteps(Rows shape, int lanes)
      : packs(shape.channels / lanes), rows(shape.rows), step((shape.rows + kRowsEach - 1) / kRowsEach) {}
  int64_t count() const { return packs * step; }
};

template <class T, int kLanes>
struct Affine {
  T* y;
  const T* x;
  const parameter_t<T>* scale;
  const parameter_t<T>* shift;
  const T* residual;
  bool relu;
  RowSteps steps;

  BEVGRAD_HD void operator()(int64_t i) const {
    using C = compute_t<T>;
    const int64_t first = i / steps.packs, c = (i - first * steps.packs) * kLanes;
    C a[kLanes], b[kLanes];
    for (int k = 0; k < kLanes; ++k) {
      a[k] = scale ? static_cast<C>(scale[c + k]) : C(1);
      b[k] = shift ? static_cast<C>(shift[c + k]) : C(0);
    }
    for (int64_t row = first; row < steps.rows; row += steps.step) {
      const int64_t at = row * steps.packs * kLanes + c;
      C value[kLanes], add[kLanes] = {};
      load_pack<kLanes>(value, x + at);
      if (residual) load_pack<kLanes>(add, residual + at);
      for (int k = 0; k < kLanes; ++k) {
        if (scale) value[k] *= a[k];
        if (shift) value[k] += b[k];
        if (residual) value[k] += add[k];
        if (relu && value[k] < C(0)) value[k] = C(0);  // NaN stays NaN
      }
      store_pack<kLanes>(y + at, value);
    }
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
  RowSteps steps;

  BEVGRAD_HD void operator()(int64_t i) const {
    using C = compute_t<T>;
    const int64_t first = i / steps.packs, c = (i - first * steps.packs) * kLanes;
    typename Mask<T>::Channel passes[kLanes];
    C of_dz[kLanes], of_x[kLanes], rest[kLanes];
    for (int k = 0; k < kLanes; ++k) {
      passes[k] = mask.channel(c + k);
      of_dz[k] = static_cast<C>(a[c + k]);
      of_x[k] = b ? static_cast<C>(b[c + k]) : C(0);
      rest[k] = b ? static_cast<C>(d[c + k]) : C(0);
    }
    for (int64_t row = first; row < steps.rows; row += steps.step) {
      const int64_t at = row * steps.packs * kLanes + c;
      C value[kLanes], output[kLanes] = {}, input[kLanes] = {};
      load_pack<kLanes>(value, dy + at);
      if (mask.y) load_pack<kLanes>(output, mask.y + at);
      if (x) load_pack<kLanes>(input, x + at);
      for (int k = 0; k < kLanes; ++k) {
        if (!passes[k].holds(output[k], input[k])) value[k] = C(0);
        value[k] *= of_dz[k];
        if (b) value[k] += input[k] * of_x[k] + rest[k];
      }
      store_pack<kLanes>(dx + at, value);
    }
  }
};

}  // namespace

void channel_affine(const Tensor& y, const Tensor& x, const Tensor& scale, const Tensor& shift, const Tensor& residual,
                    bool relu) {
  const Rows shape = rows_of(x);
  dispatch_floating("channel_affine", x.dtype(), [&]<class T>() {
    using P = parameter_t<T>;
    const auto run = [&]<int kLanes>() {
      const RowSteps steps(shape, kLanes);
      launch(x.device(), steps.count(),
             Affine<T, kLanes>{y.data<T>(), x.data<T>(), pointer<P>(scale), pointer<P>(shift), pointer<T>(residual),
                               relu, steps});
    };
    fits_packs<T>(shape.channels, y, x, residual) ? run.template operator()<kFullPack<T>>()
                                                  : run.template operator()<1>();
  });
}

void channel_affine_backward(const Tensor& dx, const Tensor& dy, const ReluMask& mask, const Tensor& x,
                             const ChannelGradient& gradient) {
  const Rows shape = rows_of(dy);
  dispatch_floating("channel_affine_backward", dy.dtype(), [&]<class T>() {
    using P = parameter_t<T>;
    const auto run = [&]<int kLanes>() {
      const RowSteps steps(shape, kLanes);
      launch(dy.device(), steps.count(),
             AffineBackward<T, kLanes>{dx.data<T>(), dy.data<T>(), Mask<T>(mask), pointer<T>(x), gradient.a.data<P>(),
                                       pointer<P>(gradient.b), pointer<P>(gradient.d), steps});
    };
    fits_packs<T>(shape.channels, dx, dy, mask.y, x) ? run.template operator()<kFullPack<T>>()
                                                     : run.template operator()<1>();
  });
}

}  // namespace bevgrad::cuda
