#include "train/cache/changed_features.h"

#include "bev/warp.h"
#include "tensor/ops.h"

namespace bevgrad {
namespace {

/// `after` of `before`.
GroundWarp combined(const GroundWarp& after, const GroundWarp& before) {
  GroundWarp result;
  for (size_t row = 0; row < 6; row += 3) {
    for (size_t column = 0; column < 3; ++column)
      result.m[row + column] = after.m[row] * before.m[column] + after.m[row + 1] * before.m[3 + column];
    result.m[row + 2] += after.m[row + 2];
  }
  return result;
}

}  // namespace

void change_features(const Tensor& features, History& history, const std::vector<EgoChange>& changes,
                     const BevGrid& grid) {
  const NoGradGuard no_grad;
  check(static_cast<int64_t>(changes.size()) == features.size(0), "change_features: {} changes for {} features",
        changes.size(), features.size(0));
  const BevRange range{grid.x_min, grid.y_min, grid.x_max, grid.y_max};
  for (size_t n = 0; n < changes.size(); ++n) {
    if (changes[n].is_identity()) continue;
    const GroundWarp back = changes[n].inverse();
    const Tensor feature = ops::narrow(features, 0, static_cast<int64_t>(n), 1);
    const Tensor matrix = from_values({back.m.begin(), back.m.end()}, {1, 2, 3}, {.dtype = DType::Float64});
    ops::copy_(feature, warp_bev(feature, matrix, range, Interpolation::Bilinear));
    if (!history.feature_warp_matrix.defined()) continue;
    const auto slots = static_cast<size_t>(history.feature_warp_matrix.size(1));
    double* matrices = history.feature_warp_matrix.data<double>() + n * slots * 6;
    for (size_t k = 0; k < slots; ++k, matrices += 6) {
      GroundWarp warp;
      std::copy_n(matrices, 6, warp.m.begin());
      warp = combined(warp, back);
      std::copy(warp.m.begin(), warp.m.end(), matrices);
    }
  }
}

}  // namespace bevgrad
