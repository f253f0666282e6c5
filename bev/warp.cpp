#include "bev/warp.h"

#include "autograd/constant.h"
#include "autograd/functions/sample_at.h"

namespace bevgrad {
namespace {

struct MatrixPositions {
  using Coordinate = double;
  const double* matrices;
  BevRange range;
  int64_t height, width;

  BEVGRAD_HD SamplePosition<double> metric(int64_t n, int64_t row, int64_t column) const {
    const double* m = matrices + n * 6;
    const double x =
        range.x_min + (static_cast<double>(column) + 0.5) * (range.x_max - range.x_min) / static_cast<double>(width);
    const double y =
        range.y_min + (static_cast<double>(row) + 0.5) * (range.y_max - range.y_min) / static_cast<double>(height);
    return {m[0] * x + m[1] * y + m[2], m[3] * x + m[4] * y + m[5]};
  }
  BEVGRAD_HD SamplePosition<double> operator()(int64_t n, int64_t row, int64_t column) const {
    const SamplePosition<double> p = metric(n, row, column);
    return {(p.x - range.x_min) * static_cast<double>(width) / (range.x_max - range.x_min) - 0.5,
            (p.y - range.y_min) * static_cast<double>(height) / (range.y_max - range.y_min) - 0.5};
  }
};

// One index is one cell of one sample.
struct InRange {
  MatrixPositions positions;
  bool* mask;
  int64_t rows, columns;

  BEVGRAD_HD void operator()(int64_t i) const {
    const int64_t cell = i % (rows * columns);
    const SamplePosition<double> p = positions.metric(i / (rows * columns), cell / columns, cell % columns);
    const BevRange& range = positions.range;
    mask[i] = p.x >= range.x_min && p.x <= range.x_max && p.y >= range.y_min && p.y <= range.y_max;
  }
};

void check_matrices(const char* op, const Tensor& matrices, const BevRange& range) {
  check(matrices.dim() == 3 && matrices.size(1) == 2 && matrices.size(2) == 3 && matrices.dtype() == DType::Float64,
        "{}: the matrices are {}, expected float64 [N,2,3]", op, describe(matrices));
  check(range.x_max > range.x_min && range.y_max > range.y_min, "{}: the range x {}..{}, y {}..{} is empty", op,
        range.x_min, range.x_max, range.y_min, range.y_max);
}

}  // namespace

Tensor warp_bev(const Tensor& x, const Tensor& matrices, const BevRange& range, Interpolation mode) {
  const OpScope scope("warp_bev", {{"x", x}, {"matrices", matrices}});
  check_matrices("warp_bev", matrices, range);
  check(x.dim() == 4 && x.size(0) == matrices.size(0), "warp_bev: input {} and matrices {} do not fit",
        to_string(x.sizes()), to_string(matrices.sizes()));
  check_constant("warp_bev", {{"matrices", matrices}});
  const Saved dense(ops::to(ops::contiguous(detach(matrices)), x.device()));
  const int64_t height = x.size(2), width = x.size(3);
  return sample_at("warp_bev", x, height, width, mode, [=] {
    return MatrixPositions{dense.get().data<const double>(), range, height, width};
  });
}

Tensor warp_mask(const Tensor& matrices, const BevRange& range, int64_t rows, int64_t columns) {
  const OpScope scope("warp_mask", {{"matrices", matrices}});
  check_matrices("warp_mask", matrices, range);
  check_constant("warp_mask", {{"matrices", matrices}});
  const Tensor dense = ops::contiguous(detach(matrices));
  Tensor mask = empty({matrices.size(0), 1, rows, columns}, {DType::Bool, {}, matrices.device()});
  launch(matrices.device(), mask.numel(),
         InRange{{dense.data<double>(), range, rows, columns}, mask.data<bool>(), rows, columns});
  return mask;
}

}  // namespace bevgrad
