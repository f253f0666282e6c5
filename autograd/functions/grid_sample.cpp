#include "autograd/functions/grid_sample.h"

#include "autograd/functions/sample_at.h"
#include "functions/internal/float16.h"

namespace bevgrad {
namespace {

// A coordinate in source pixels, and how it moves with the grid's.
template <class G>
struct Coordinate {
  G at, slope;
};

// From one of the grid's numbers to pixels.
template <class G>
struct GridAxis {
  int64_t size;
  GridPadding padding;
  bool align_corners;

  BEVGRAD_HD Coordinate<G> operator()(G g) const {
    const G n = static_cast<G>(size);
    const G slope = align_corners ? (n - G(1)) / G(2) : n / G(2);
    Coordinate<G> c{align_corners ? (g + G(1)) * slope : ((g + G(1)) * n - G(1)) / G(2), slope};
    if (padding == GridPadding::Zeros) return c;
    if (padding == GridPadding::Reflection) reflect(c);
    if (c.at < G(0)) return {G(0), G(0)};
    if (c.at > n - G(1)) return {n - G(1), G(0)};
    return c;
  }

  BEVGRAD_HD void reflect(Coordinate<G>& c) const {
    const G low = align_corners ? G(0) : G(-0.5);
    const G span = static_cast<G>(align_corners ? size - 1 : size);
    if (span == G(0)) {
      c = {G(0), G(0)};
      return;
    }
    G distance = c.at - low;
    if (distance < G(0)) {
      distance = -distance;
      c.slope = -c.slope;
    }
    const G turns = std::floor(distance / span), rest = distance - turns * span;
    const bool back = turns - G(2) * std::floor(turns / G(2)) != G(0);
    c.at = back ? low + span - rest : low + rest;
    if (back) c.slope = -c.slope;
  }
};

// Where output cell (n, row, column) reads.
template <class G>
struct GridPositions {
  const G* grid;
  int64_t rows, columns;
  GridAxis<G> along, down;

  BEVGRAD_HD const G* entry(int64_t n, int64_t row, int64_t column) const {
    return grid + ((n * rows + row) * columns + column) * 2;
  }
  BEVGRAD_HD SamplePosition<G> operator()(int64_t n, int64_t row, int64_t column) const {
    const G* g = entry(n, row, column);
    return {along(g[0]).at, down(g[1]).at};
  }
};

// One index is one output cell: how the sum over channels of dy y moves with the cell's two numbers, bilinear.
template <class T, class G>
struct GridGradient {
  GridPositions<G> positions;
  G* dgrid;
  const T* dy;  // channels-last, as x
  const T* x;
  int64_t channels, height, width;

  // The sum over channels of dy times a pixel, 0 beyond the border.
  BEVGRAD_HD G share(const T* gradient, int64_t n, int64_t row, int64_t column) const {
    if (row < 0 || row >= height || column < 0 || column >= width) return G(0);
    const T* pixel = x + ((n * height + row) * width + column) * channels;
    G sum = G(0);
    for (int64_t c = 0; c < channels; ++c) sum += static_cast<G>(load(gradient, c)) * static_cast<G>(load(pixel, c));
    return sum;
  }

  BEVGRAD_HD void operator()(int64_t i) const {
    const int64_t n = i / (positions.rows * positions.columns), cell = i % (positions.rows * positions.columns);
    const G* g = positions.entry(n, cell / positions.columns, cell % positions.columns);
    const Coordinate<G> x_at = positions.along(g[0]), y_at = positions.down(g[1]);
    dgrid[2 * i] = dgrid[2 * i + 1] = G(0);
    // Also false for NaN; keeps the conversion to integers in range.
    if (!(x_at.at > G(-2) && y_at.at > G(-2) && x_at.at < static_cast<G>(width + 1) &&
          y_at.at < static_cast<G>(height + 1)))
      return;
    const G left = std::floor(x_at.at), top = std::floor(y_at.at), u = x_at.at - left, v = y_at.at - top;
    const auto column = static_cast<int64_t>(left), row = static_cast<int64_t>(top);
    const T* gradient = dy + i * channels;
    const G a = share(gradient, n, row, column), b = share(gradient, n, row, column + 1);
    const G c = share(gradient, n, row + 1, column), d = share(gradient, n, row + 1, column + 1);
    dgrid[2 * i] = x_at.slope * ((G(1) - v) * (b - a) + v * (d - c));
    dgrid[2 * i + 1] = y_at.slope * ((G(1) - u) * (c - a) + u * (d - b));
  }
};

template <class G>
Tensor sampled(const Tensor& x, const Tensor& grid, Interpolation mode, GridPadding padding, bool align_corners) {
  const int64_t rows = grid.size(1), columns = grid.size(2), height = x.size(2), width = x.size(3);
  const Saved dense(ops::to(ops::contiguous(detach(grid)), x.device()));
  const auto make = [=] {
    return GridPositions<G>{
        dense.get().data<const G>(), rows, columns, {width, padding, align_corners}, {height, padding, align_corners}};
  };
  const auto gradient = [=, where = grid.device(), x_channels = x.size(1)](const Tensor& dy, const Tensor& map) {
    const Tensor dgrid = zeros(dense.get().sizes(), {dense.get().dtype(), {}, map.device()});
    if (mode == Interpolation::Bilinear) {
      dispatch_floating("grid_sample", map.dtype(), [&]<class T>() {
        launch(map.device(), dgrid.numel() / 2,
               GridGradient<T, G>{make(), dgrid.data<G>(), dy.data<const T>(), map.data<const T>(), x_channels, height,
                                  width},
               x_channels + 1);
      });
    }
    return ops::to(dgrid, where);
  };
  return sample_at("grid_sample", x, rows, columns, mode, make, {grid, gradient});
}

}  // namespace

Tensor grid_sample(const Tensor& x, const Tensor& grid, Interpolation mode, GridPadding padding_mode,
                   bool align_corners) {
  if (is_float16(x))
    return to(grid_sample(in_float32(x), in_float32(grid), mode, padding_mode, align_corners), DType::Float16);
  const OpScope scope("grid_sample", {{"x", x}, {"grid", grid}});
  check(x.dim() == 4 && grid.dim() == 4 && grid.size(0) == x.size(0) && grid.size(3) == 2,
        "grid_sample: input {}, grid {}; expected [N,C,H,W] and [N,OH,OW,2]", to_string(x.sizes()),
        to_string(grid.sizes()));
  check(grid.dtype() == DType::Float32 || grid.dtype() == DType::Float64,
        "grid_sample: the grid is {}, expected float32 or float64", describe(grid));
  check(padding_mode == GridPadding::Zeros || (x.size(2) > 0 && x.size(3) > 0),
        "grid_sample: input {} has no border to repeat or reflect", to_string(x.sizes()));
  if (grid.dtype() == DType::Float64) return sampled<double>(x, grid, mode, padding_mode, align_corners);
  return sampled<float>(x, grid, mode, padding_mode, align_corners);
}

}  // namespace bevgrad
