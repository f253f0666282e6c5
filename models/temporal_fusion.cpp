#include "models/temporal_fusion.h"

#include "autograd/autocast.h"
#include "autograd/functions/channel_scale.h"
#include "autograd/functions/conv.h"
#include "autograd/functions/pointwise.h"
#include "autograd/functions/shape.h"
#include "autograd/functions/softmax.h"
#include "bev/warp.h"
#include "nn/init.h"

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

}  // namespace

TemporalFusion::FusionConv::FusionConv(int64_t channels)
    : first(channels, channels, {.kernel = 3, .padding = 1, .relu = true}),
      second(channels, channels, {.kernel = 3, .padding = 1, .relu = true}) {
  register_module("0", first);
  register_module("2", second);
}

Tensor TemporalFusion::FusionConv::forward(const Tensor& x) {
  const ModuleScope scope(*this);
  return tapped(*this, run(second, run(first, x)));
}

TemporalFusion::TemporalFusion(int64_t channels, const TemporalOptions& options, const BevGrid& grid,
                               Generator& generator)
    : options_(options),
      range_{grid.x_min, grid.y_min, grid.x_max, grid.y_max},
      gamma_(register_parameter("gamma", zeros({channels}))),
      score_(2 * channels, 1, {.kernel = 1}),
      fusion_conv_(channels) {
  register_module("score", score_);
  register_module("fusion_conv", fusion_conv_);
  init::reset_parameters(score_, generator);
  init::reset_parameters_resnet(fusion_conv_, generator);
}

TemporalFusion::Frame TemporalFusion::warped(const History& history, int64_t slot, const Tensor& current) const {
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
      to(to(history.prev_feat_list[static_cast<size_t>(slot)], current.device()), current.dtype());
  frame.feature =
      warp_bev(stored, matrices, range_, options_.bilinear ? Interpolation::Bilinear : Interpolation::Nearest);
  frame.mask = warp_mask(matrices, range_, rows, columns);
  for (int64_t n = 0; n < batch; ++n)
    if (!valid[static_cast<size_t>(n)]) ops::fill_(ops::select(frame.mask, 0, n), 0);
  return frame;
}

TemporalFusionOutput TemporalFusion::forward(const Tensor& current, const History& history) {
  const ModuleScope scope(*this);
  check(current.dim() == 4 && current.size(1) == gamma_.size(0), "temporal fusion: current {}, expected [N,{},H,W]",
        to_string(current.sizes()), gamma_.size(0));
  check_history(history, options_.history, current);
  const int64_t batch = current.size(0), channels = current.size(1);

  const DType dtype = compute_dtype(current);
  const Tensor now = to(current, dtype);
  std::vector<Tensor> frames = {now};
  std::vector<Tensor> masks = {ones({batch, 1, current.size(2), current.size(3)}, {DType::Bool, {}, current.device()})};
  for (int64_t slot = 0; slot < options_.history; ++slot) {
    Frame frame = warped(history, slot, now);
    frames.push_back(frame.feature);
    masks.push_back(frame.mask);
  }
  // The convolution on a concatenation is a sum of two, of which the current frame's is the same for every k.
  const Tensor of_current = conv2d(now, narrow(score_.weight, 1, 0, channels), score_.bias);
  const Tensor frame_weight = contiguous(narrow(score_.weight, 1, channels, channels));
  std::vector<Tensor> scores;
  for (const Tensor& frame : frames) scores.push_back(tapped(score_, add(of_current, conv2d(frame, frame_weight))));

  TemporalFusionOutput output;
  output.weights = softmax(to(cat(scores, 1), current.dtype()), 1, ops::cat(masks, 1));
  const Tensor mixed = weighted_sum(frames, to(output.weights, dtype));
  output.fused =
      tapped(*this, add_scaled(current, to(fusion_conv_.forward(mixed), current.dtype()), gamma_), 0);
  tapped(*this, output.weights, 1);
  return output;
}

}  // namespace bevgrad
