#include "models/temporal_fusion.h"

#include <algorithm>

#include "autograd/functions/shape.h"
#include "bev/warp.h"
#include "tensor/launch.h"

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

// Whether the slot may hold a frame of some sample. A mask on a device is not looked at.
bool may_hold_frames(const History& history, int64_t slot) {
  if (history.prev_feat_list.empty() || !history.prev_feat_list[static_cast<size_t>(slot)].defined()) return false;
  if (!history.valid.device().is_cpu()) return true;
  const std::vector<double> values = ops::select(history.valid, 1, slot).to_vector();
  return std::ranges::any_of(values, [](double value) { return value != 0; });
}

// Nothing has been seen by a slot that holds no frame of the sample.
struct ClearInvalid {
  bool* mask;  // [N,cells]
  const uint8_t* valid;
  int64_t slots, slot, cells;

  BEVGRAD_HD void operator()(int64_t i) const {
    if (!valid[i / cells * slots + slot]) mask[i] = false;
  }
};

struct Frame {
  Tensor feature;
  Tensor mask;
};

// `poses`, `valid`: of the history, where the current frame is.
Frame warped(const History& history, int64_t slot, const Tensor& poses, const Tensor& valid, const Tensor& current,
             BevRange range, Interpolation interpolation) {
  const int64_t batch = current.size(0), rows = current.size(2), columns = current.size(3);
  Frame frame;
  if (!may_hold_frames(history, slot)) {
    frame.feature = zeros_like(current);
    frame.mask = zeros({batch, 1, rows, columns}, {DType::Bool, {}, current.device()});
    return frame;
  }
  const Tensor matrices = ops::contiguous(ops::select(poses, 1, slot));
  const Tensor stored = to(to(history.prev_feat_list[static_cast<size_t>(slot)], current.device()), current.dtype());
  frame.feature = warp_bev(stored, matrices, range, interpolation);
  frame.mask = warp_mask(matrices, range, rows, columns);
  launch(current.device(), frame.mask.numel(),
         ClearInvalid{frame.mask.data<bool>(), static_cast<const uint8_t*>(valid.const_raw_data()), valid.size(1), slot,
                      rows * columns});
  return frame;
}

}  // namespace

WarpedFrames warp_history(const Tensor& current, const History& history, const TemporalOptions& options,
                          const BevGrid& grid) {
  check_history(history, options.history, current);
  Tensor poses, valid;
  if (!history.prev_feat_list.empty()) {
    poses = ops::to(ops::contiguous(history.feature_warp_matrix), current.device());
    valid = ops::to(ops::contiguous(history.valid), current.device());
  }
  const BevRange range{grid.x_min, grid.y_min, grid.x_max, grid.y_max};
  WarpedFrames frames;
  frames.features.push_back(current);
  frames.masks.push_back(
      ones({current.size(0), 1, current.size(2), current.size(3)}, {DType::Bool, {}, current.device()}));
  for (int64_t slot = 0; slot < options.history; ++slot) {
    Frame frame = warped(history, slot, poses, valid, current, range,
                         options.bilinear ? Interpolation::Bilinear : Interpolation::Nearest);
    frames.features.push_back(std::move(frame.feature));
    frames.masks.push_back(std::move(frame.mask));
  }
  return frames;
}

}  // namespace bevgrad
