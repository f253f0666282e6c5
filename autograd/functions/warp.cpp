#include "autograd/functions/warp.h"

#include <algorithm>
#include <cmath>

#include "autograd/functions/channel_blocks.h"
#include "tensor/element.h"
#include "tensor/launch.h"

namespace bevgrad {
namespace {

template <class G>
struct Position {
  G x, y;  // in source pixels
};

// Where output cell (n, row, column) reads: from a normalised grid, or from a metric matrix.
template <class G>
struct GridPositions {
  using Coordinate = G;
  const G* grid;
  int64_t rows, columns, height, width;

  BEVGRAD_HD Position<G> operator()(int64_t n, int64_t row, int64_t column) const {
    const G* g = grid + ((n * rows + row) * columns + column) * 2;
    return {((g[0] + G(1)) * static_cast<G>(width) - G(1)) / G(2),
            ((g[1] + G(1)) * static_cast<G>(height) - G(1)) / G(2)};
  }
};

struct MatrixPositions {
  using Coordinate = double;
  const double* matrices;
  BevRange range;
  int64_t height, width;

  BEVGRAD_HD Position<double> metric(int64_t n, int64_t row, int64_t column) const {
    const double* m = matrices + n * 6;
    const double x =
        range.x_min + (static_cast<double>(column) + 0.5) * (range.x_max - range.x_min) / static_cast<double>(width);
    const double y =
        range.y_min + (static_cast<double>(row) + 0.5) * (range.y_max - range.y_min) / static_cast<double>(height);
    return {m[0] * x + m[1] * y + m[2], m[3] * x + m[4] * y + m[5]};
  }
  BEVGRAD_HD Position<double> operator()(int64_t n, int64_t row, int64_t column) const {
    const Position<double> p = metric(n, row, column);
    return {(p.x - range.x_min) * static_cast<double>(width) / (range.x_max - range.x_min) - 0.5,
            (p.y - range.y_min) * static_cast<double>(height) / (range.y_max - range.y_min) - 0.5};
  }
};

// At most four pixels with weights; those outside are left out (zero padding).
template <class R>
struct Taps {
  int64_t pixel[4];
  R weight[4];
  int count = 0;

  BEVGRAD_HD void add(int64_t row, int64_t column, R w, int64_t height, int64_t width) {
    if (row < 0 || row >= height || column < 0 || column >= width) return;
    pixel[count] = row * width + column;
    weight[count++] = w;
  }
};

template <class R, class G>
BEVGRAD_HD Taps<R> taps_at(Position<G> p, Interpolation mode, int64_t height, int64_t width) {
  Taps<R> taps;
  // Also false for NaN; keeps the conversion to integers in range.
  if (!(p.x > G(-2) && p.y > G(-2) && p.x < static_cast<G>(width + 1) && p.y < static_cast<G>(height + 1))) return taps;
  if (mode == Interpolation::Nearest) {
    taps.add(static_cast<int64_t>(std::nearbyint(p.y)), static_cast<int64_t>(std::nearbyint(p.x)), R(1), height, width);
    return taps;
  }
  const G left = std::floor(p.x), top = std::floor(p.y);
  const G fx = p.x - left, fy = p.y - top;
  const auto column = static_cast<int64_t>(left), row = static_cast<int64_t>(top);
  taps.add(row, column, static_cast<R>((G(1) - fx) * (G(1) - fy)), height, width);
  taps.add(row, column + 1, static_cast<R>(fx * (G(1) - fy)), height, width);
  taps.add(row + 1, column, static_cast<R>((G(1) - fx) * fy), height, width);
  taps.add(row + 1, column + 1, static_cast<R>(fx * fy), height, width);
  return taps;
}

// One index is a part of one output cell of one sample; x and y are channels-last.
template <class T, class P>
struct WarpForward {
  P positions;
  Interpolation mode;
  const T* x;
  T* y;
  int64_t channels, height, width, rows, columns;
  int64_t part, parts;  // channels of a part, parts of a cell

  BEVGRAD_HD void operator()(int64_t i) const {
    using R = compute_t<T>;
    const int64_t index = i / parts, first = i % parts * part;
    const int64_t count = channels - first < part ? channels - first : part;
    const int64_t n = index / (rows * columns), cell = index % (rows * columns);
    const auto taps = taps_at<R>(positions(n, cell / columns, cell % columns), mode, height, width);
    T* out = y + index * channels + first;
    const T* in = x + n * height * width * channels + first;
    if (taps.count == 1 && taps.weight[0] == R(1)) {
      const T* from = in + taps.pixel[0] * channels;
#pragma omp simd
      for (int64_t c = 0; c < count; ++c) store(out, c, load(from, c));
      return;
    }
    const T* from[4];
    R weight[4];
    for (int k = 0; k < 4; ++k) {
      from[k] = in + (k < taps.count ? taps.pixel[k] * channels : 0);
      weight[k] = k < taps.count ? taps.weight[k] : R(0);
    }
    if (taps.count == 0) {
      for (int64_t c = 0; c < count; ++c) out[c] = T(0.0f);
      return;
    }
    // Unused taps repeat the first one with no weight, so that what is not sampled cannot leak a NaN.
    for (int k = taps.count; k < 4; ++k) from[k] = from[0];
#pragma omp simd
    for (int64_t c = 0; c < count; ++c) {
      R sum = weight[0] * load(from[0], c);
      sum += weight[1] * load(from[1], c);
      sum += weight[2] * load(from[2], c);
      sum += weight[3] * load(from[3], c);
      store(out, c, sum);
    }
  }
};

// One index is a block of channels of one sample, which it owns: it visits the cells in order.
template <class T, class P>
struct WarpBackward {
  P positions;
  Interpolation mode;
  const T* dy;
  compute_t<T>* dx;  // zeroed
  int64_t channels, height, width, rows, columns;
  int64_t block;

  BEVGRAD_HD void operator()(int64_t index) const {
    using R = compute_t<T>;
    const int64_t blocks = (channels + block - 1) / block;
    const int64_t n = index / blocks, begin = index % blocks * block;
    const int64_t end = begin + block < channels ? begin + block : channels;
    for (int64_t cell = 0; cell < rows * columns; ++cell) {
      const auto taps = taps_at<R>(positions(n, cell / columns, cell % columns), mode, height, width);
      const T* from = dy + (n * rows * columns + cell) * channels;
      for (int k = 0; k < taps.count; ++k) {
        R* to = dx + (n * height * width + taps.pixel[k]) * channels;
        for (int64_t c = begin; c < end; ++c) to[c] += taps.weight[k] * load(from, c);
      }
    }
  }
};

// One index is one cell of one sample.
struct InRange {
  MatrixPositions positions;
  bool* mask;
  int64_t rows, columns;

  BEVGRAD_HD void operator()(int64_t i) const {
    const int64_t cell = i % (rows * columns);
    const Position<double> p = positions.metric(i / (rows * columns), cell / columns, cell % columns);
    const BevRange& range = positions.range;
    mask[i] = p.x >= range.x_min && p.x <= range.x_max && p.y >= range.y_min && p.y <= range.y_max;
  }
};

// Forward and backward for any source of positions; `make` gives it with pointers into live tensors.
template <class Make>
Tensor sample(const char* op, const Tensor& x, int64_t rows, int64_t columns, Interpolation mode, const Make& make) {
  const int64_t batch = x.size(0), channels = x.size(1), height = x.size(2), width = x.size(3);
  Tensor y = empty({batch, channels, rows, columns}, {x.dtype(), MemoryFormat::ChannelsLast, x.device()});
  const Tensor dense = ops::contiguous(x, MemoryFormat::ChannelsLast);
  dispatch_floating(op, x.dtype(), [&]<class T>() {
    // On the CPU a cell at once, so that its position is found once.
    const int64_t part = x.device().is_cpu() ? std::max<int64_t>(channels, 1) : kDeviceChannelBlock;
    const int64_t parts = blocks_of(channels, part);
    launch(x.device(), batch * rows * columns * parts,
           WarpForward<T, decltype(make())>{make(), mode, dense.data<T>(), y.data<T>(), channels, height, width, rows,
                                            columns, part, parts},
           channels / 4 + 1);
  });
  return record(op, y, {x}, [=, sizes = x.sizes(), dtype = x.dtype()](const Tensor& dy, const NeedsGrad&) {
    const Tensor gradient = ops::contiguous(dy, MemoryFormat::ChannelsLast);
    const DType compute = dtype == DType::Float64 ? dtype : DType::Float32;
    Tensor dx = zeros(sizes, {compute, MemoryFormat::ChannelsLast, dy.device()});
    dispatch_floating(op, dtype, [&]<class T>() {
      const int64_t block = dy.device().is_cpu() ? 16 : 1;
      launch(dy.device(), batch * blocks_of(channels, block),
             WarpBackward<T, decltype(make())>{make(), mode, gradient.data<T>(), dx.data<compute_t<T>>(), channels,
                                               height, width, rows, columns, block},
             rows * columns);
    });
    return Grads{ops::to(dx, dtype)};
  });
}

void check_matrices(const char* op, const Tensor& matrices, const BevRange& range) {
  check(matrices.dim() == 3 && matrices.size(1) == 2 && matrices.size(2) == 3 && matrices.dtype() == DType::Float64,
        "{}: the matrices are {}, expected float64 [N,2,3]", op, describe(matrices));
  check(range.x_max > range.x_min && range.y_max > range.y_min, "{}: the range x {}..{}, y {}..{} is empty", op,
        range.x_min, range.x_max, range.y_min, range.y_max);
}

}  // namespace

Tensor grid_sample(const Tensor& x, const Tensor& grid, Interpolation mode) {
  check(x.dim() == 4 && grid.dim() == 4 && grid.size(0) == x.size(0) && grid.size(3) == 2,
        "grid_sample: input {}, grid {}; expected [N,C,H,W] and [N,OH,OW,2]", to_string(x.sizes()),
        to_string(grid.sizes()));
  check(grid.dtype() == DType::Float32 || grid.dtype() == DType::Float64,
        "grid_sample: the grid is {}, expected float32 or float64", describe(grid));
  check(!requires_grad(grid), "grid_sample: the grid requires a gradient, which is not provided");
  const Tensor dense = ops::to(ops::contiguous(detach(grid)), x.device());
  const int64_t rows = grid.size(1), columns = grid.size(2), height = x.size(2), width = x.size(3);
  if (grid.dtype() == DType::Float64)
    return sample("grid_sample", x, rows, columns, mode, [=] {
      return GridPositions<double>{dense.data<double>(), rows, columns, height, width};
    });
  return sample("grid_sample", x, rows, columns, mode, [=] {
    return GridPositions<float>{dense.data<float>(), rows, columns, height, width};
  });
}

Tensor warp_bev(const Tensor& x, const Tensor& matrices, const BevRange& range, Interpolation mode) {
  check_matrices("warp_bev", matrices, range);
  check(x.dim() == 4 && x.size(0) == matrices.size(0), "warp_bev: input {} and matrices {} do not fit",
        to_string(x.sizes()), to_string(matrices.sizes()));
  const Tensor dense = ops::to(ops::contiguous(detach(matrices)), x.device());
  const int64_t height = x.size(2), width = x.size(3);
  return sample("warp_bev", x, height, width, mode, [=] {
    return MatrixPositions{dense.data<double>(), range, height, width};
  });
}

Tensor warp_mask(const Tensor& matrices, const BevRange& range, int64_t rows, int64_t columns) {
  check_matrices("warp_mask", matrices, range);
  const Tensor dense = ops::contiguous(detach(matrices));
  Tensor mask = empty({matrices.size(0), 1, rows, columns}, {DType::Bool, {}, matrices.device()});
  launch(matrices.device(), mask.numel(),
         InRange{{dense.data<double>(), range, rows, columns}, mask.data<bool>(), rows, columns});
  return mask;
}

}  // namespace bevgrad
