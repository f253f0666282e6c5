#include "models/vgg_block_fusion.h"

#include "autograd/autocast.h"
#include "autograd/functions/channel_scale.h"
#include "autograd/functions/conv.h"
#include "autograd/functions/pointwise.h"
#include "autograd/functions/shape.h"
#include "autograd/functions/softmax.h"
#include "nn/init.h"
#include "nn/recomputable.h"

namespace bevgrad {

VggBlockFusion::FusionConv::FusionConv(int64_t in_channels, int64_t channels)
    : first(in_channels, channels, {.kernel = 3, .padding = 1, .relu = true}),
      second(channels, channels, {.kernel = 3, .padding = 1, .relu = true}) {
  register_module("0", first);
  register_module("2", second);
}

Tensor VggBlockFusion::FusionConv::forward(const Tensor& x) {
  return module_call(*this, [&] {
    return recomputable(*this, {x},
                        [this](const std::vector<Tensor>& in) { return second.forward(first.forward(in[0])); });
  });
}

VggBlockFusion::VggBlockFusion(int64_t channels, const TemporalOptions& options, const BevGrid& grid,
                               Generator& generator)
    : options_(options),
      grid_(grid),
      gamma_(register_parameter("gamma", zeros({channels}))),
      score_(2 * channels, 1, {.kernel = 1}),
      fusion_conv_(channels + options.overlap, channels) {
  register_module("score", score_);
  register_module("fusion_conv", fusion_conv_);
  init::reset_parameters(score_, generator);
  init::reset_parameters_resnet(fusion_conv_, generator);
}

TemporalFusionOutput VggBlockFusion::forward(const Tensor& current, const History& history) {
  return module_call(*this, [&] {
    check(current.dim() == 4 && current.size(1) == gamma_.size(0), "temporal fusion: current {}, expected [N,{},H,W]",
          to_string(current.sizes()), gamma_.size(0));
    const int64_t channels = current.size(1);
    const DType dtype = compute_dtype(current);
    const Tensor now = to(current, dtype);
    const auto [frames, masks] = warp_history(now, history, options_, grid_);
    std::vector<Tensor> scores;
    {
      const ModuleScope of_score(score_);
      // The convolution on a concatenation is a sum of two, of which the current frame's is the same for every k.
      const Tensor of_current = conv2d(now, narrow(score_.weight, 1, 0, channels), score_.bias);
      const Tensor frame_weight = contiguous(narrow(score_.weight, 1, channels, channels));
      for (const Tensor& frame : frames)
        scores.push_back(module_call(score_, [&] { return add(of_current, conv2d(frame, frame_weight)); }));
    }

    TemporalFusionOutput output;
    output.weights = softmax(to(cat(scores, 1), current.dtype()), 1, ops::cat(masks, 1));
    Tensor mixed = weighted_sum(frames, to(output.weights, dtype));
    if (options_.overlap)
      mixed = cat({mixed, ops::to(ops::mean(ops::to(ops::cat(masks, 1), DType::Float32), {1}, true), dtype)}, 1);
    output.fused = add_scaled(current, to(fusion_conv_.forward(mixed), current.dtype()), gamma_);
    return output;
  });
}

}  // namespace bevgrad
