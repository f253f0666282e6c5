#include "models/conv_gru_fusion.h"

#include "autograd/autocast.h"
#include "autograd/functions/activations.h"
#include "autograd/functions/channel_scale.h"
#include "autograd/functions/pointwise.h"
#include "autograd/functions/reduce.h"
#include "autograd/functions/shape.h"
#include "nn/init.h"

namespace bevgrad {

ConvGruFusion::ConvGruFusion(int64_t channels, const TemporalOptions& options, const BevGrid& grid,
                             Generator& generator)
    : options_(options),
      grid_(grid),
      gamma_(register_parameter("gamma", zeros({channels}))),
      gates_(2 * channels, 2 * channels, conv3x3()),
      candidate_(2 * channels, channels, conv3x3()),
      out_(channels, channels) {
  register_module("gates", gates_);
  register_module("candidate", candidate_);
  register_module("out", out_);
  for (Conv2d* conv : {&gates_, &candidate_, &out_}) init::reset_parameters(*conv, generator);
}

TemporalFusionOutput ConvGruFusion::forward(const Tensor& current, const History& history) {
  return module_call(*this, [&] {
    check(current.dim() == 4 && current.size(1) == gamma_.size(0), "temporal fusion: current {}, expected [N,{},H,W]",
          to_string(current.sizes()), gamma_.size(0));
    const int64_t channels = current.size(1);
    const DType dtype = compute_dtype(current);
    const auto [frames, masks] = warp_history(to(current, dtype), history, options_, grid_);
    Tensor state = zeros_like(frames[0]);
    const Shape cells = {current.size(0), 1, current.size(2), current.size(3)};
    Tensor seen = zeros(cells, {dtype, {}, current.device()});
    // Slots lie further back the higher their number; the current frame, number 0, comes last.
    std::vector<Tensor> shares(frames.size());
    for (size_t k = frames.size(); k-- > 0;) {
      const Tensor& x = frames[k];
      const Tensor valid = ops::to(masks[k], dtype);
      const Tensor both = sigmoid(gates_.forward(cat({x, state}, 1)));
      const Tensor z = narrow(both, 1, 0, channels), r = narrow(both, 1, channels, channels);
      const Tensor n = tanh(candidate_.forward(cat({x, mul(r, state)}, 1)));
      // 1 where the frame says nothing, 0 where it is the first to say something.
      const Tensor kept = add(mul(mul(z, seen), valid), ops::add(ops::mul(valid, -1), 1));
      state = add(mul(kept, state), mul(add(mul(kept, -1), 1), n));
      seen = ops::add(seen, ops::mul(valid, ops::add(ops::mul(seen, -1), 1)));
      const NoGradGuard no_grad;
      const Tensor mean = to(ops::mean(detach(kept), {1}, true), DType::Float32);
      for (size_t older = k + 1; older < shares.size(); ++older) shares[older] = ops::mul(shares[older], mean);
      shares[k] = ops::add(ops::mul(mean, -1), 1);
    }
    const Tensor added = to(out_.forward(state), current.dtype());
    return TemporalFusionOutput{add_scaled(current, added, gamma_), ops::cat(shares, 1)};
  });
}

}  // namespace bevgrad
