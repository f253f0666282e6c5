#include "models/temporal_fusion.h"

#include "autograd/functions/shape.h"
#include "bev/warp.h"

namespace bevgrad {
namespace {

void check_history(const History& history, int64_t slots, const Tensor& current) {
  const int64_t batch = current.size(0);
  if (history.prev_feat_list.empty()) return;
  check(static_cast<int64_t>(history.prev_feat_list.size()) == slots, "temporal fusion: {} history frames, expected {}",
        history.prev_feat_list.size(), slots);
  check(history.feature_warp_matrix.defined() && history.feature_warp_matrix.dtype() == DType::Float64 &&
            history.feature_warp_matrix.sizes() == Shape{batch, slots, 2, 3},
        "temporal fusion: feature_warp_matrix is not float64 [{},{},2,3]", batch, slots);
  check(history.valid.defined() && history.valid.sizes() == Shape{batch, slots} &&
            (history.valid.dtype() == DType::Bool || history.valid.dtype() == DType::UInt8),
        "temporal fusion: the mask is not bool [{},{}]", batch, slots);
  for (const Tensor& feature : history.prev_feat_list) {
    if (!feature.defined()) continue;
    check(feature.sizes() == current.sizes(), "temporal fusion: a history frame is {}, the current one {}",
          to_string(feature.sizes()), to_string(current.sizes()));
  }
}

// True for each sample whose slot holds a frame.
std::vector<bool> valid_samples(const History& history, int64_t slot, int64_t batch) {
  std::vector<bool> valid(static_cast<size_t>(batch), false);
  if (history.prev_feat_list.empty() || !history.prev_feat_list[static_cast<size_t>(slot)].defined()) return valid;
  const std::vector<double> values = ops::select(history.valid, 1, slot).to_vector();
  for (size_t n = 0; n < values.size(); ++n) valid[n] = values[n] != 0;
  return valid;
}

struct Frame {
  Tensor feature;
  Tensor mask;
};

Frame warped(const History& history, int64_t slot, const Tensor& current, BevRange range, Interpolation interpolation) {
  const int64_t batch = current.size(0), rows = current.size(2), columns = current.size(3);
  const std::vector<bool> valid = valid_samples(history, slot, batch);
  Frame frame;
  bool any = false;
  for (bool v : valid) any |= v;
  if (!any) {
    frame.feature = zeros_like(current);
    frame.mask = zeros({batch, 1, rows, columns}, {DType::Bool, {}, current.device()});
    return frame;
  }
  const Tensor matrices = ops::to(ops::contiguous(ops::select(history.feature_warp_matrix, 1, slot)), current.device());
  const Tensor stored =
      bevgrad::to(bevgrad::to(history.prev_feat_list[static_cast<size_t>(slot)], current.device()), current.dtype());
  frame.feature = warp_bev(stored, matrices, range, interpolation);
  frame.mask = warp_mask(matrices, range, rows, columns);
  for (int64_t n = 0; n < batch; ++n)
    if (!valid[static_cast<size_t>(n)]) ops::fill_(ops::select(frame.mask, 0, n), 0);
  return frame;
}

}  // namespace

WarpedFrames warp_history(const Tensor& current, const History& history, const TemporalOptions& options,
                          const BevGrid& grid) {
  check_history(history, options.history, current);
  const BevRange range{grid.x_min, grid.y_min, grid.x_max, grid.y_max};
  WarpedFrames frames;
  frames.features.push_back(current);
  frames.masks.push_back(
      ones({current.size(0), 1, current.size(2), current.size(3)}, {DType::Bool, {}, current.device()}));
  for (int64_t slot = 0; slot < options.history; ++slot) {
    Frame frame =
        warped(history, slot, current, range, options.bilinear ? Interpolation::Bilinear : Interpolation::Nearest);
    frames.features.push_back(std::move(frame.feature));
    frames.masks.push_back(std::move(frame.mask));
  }
  return frames;
}

}  // namespace bevgrad
