#include "autograd/functions/grid_sample.h"

#include "autograd/functions/sample_at.h"

namespace bevgrad {
namespace {

// Where output cell (n, row, column) reads: from a normalised grid, or from a metric matrix.
template <class G>
struct GridPositions {
  using Coordinate = G;
  const G* grid;
  int64_t rows, columns, height, width;

  BEVGRAD_HD SamplePosition<G> operator()(int64_t n, int64_t row, int64_t column) const {
    const G* g = grid + ((n * rows + row) * columns + column) * 2;
    return {((g[0] + G(1)) * static_cast<G>(width) - G(1)) / G(2),
            ((g[1] + G(1)) * static_cast<G>(height) - G(1)) / G(2)};
  }
};

}  // namespace

Tensor grid_sample(const Tensor& x, const Tensor& grid, Interpolation mode) {
  const OpScope scope("grid_sample", {{"x", x}, {"grid", grid}});
  check(x.dim() == 4 && grid.dim() == 4 && grid.size(0) == x.size(0) && grid.size(3) == 2,
        "grid_sample: input {}, grid {}; expected [N,C,H,W] and [N,OH,OW,2]", to_string(x.sizes()),
        to_string(grid.sizes()));
  check(grid.dtype() == DType::Float32 || grid.dtype() == DType::Float64,
        "grid_sample: the grid is {}, expected float32 or float64", describe(grid));
  check(!requires_grad(grid), "grid_sample: the grid requires a gradient, which is not provided");
  const Tensor dense = ops::to(ops::contiguous(detach(grid)), x.device());
  const int64_t rows = grid.size(1), columns = grid.size(2), height = x.size(2), width = x.size(3);
  if (grid.dtype() == DType::Float64)
    return sample_at("grid_sample", x, rows, columns, mode, [=] {
      return GridPositions<double>{dense.data<double>(), rows, columns, height, width};
    });
  return sample_at("grid_sample", x, rows, columns, mode, [=] {
    return GridPositions<float>{dense.data<float>(), rows, columns, height, width};
  });
}

}  // namespace bevgrad
