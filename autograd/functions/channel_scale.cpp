#include "autograd/functions/channel_scale.h"

#include "functions/internal/conv_support.h"

namespace bevgrad {

namespace {

Grads add_scaled_backward(const Tensor& dy, const Tensor& branch, const Tensor& scale, const NeedsGrad& needs) {
  const Tensor gradient = ops::contiguous(dy, MemoryFormat::ChannelsLast);
  Grads grads(3);  // x, branch, scale
  if (needs[0]) grads[0] = dy;
  if (needs[1]) {
    grads[1] = empty_like(gradient);
    run_kernel(backend(dy.device()).channel_affine_backward, "add_scaled backward", dy.device(), grads[1], gradient,
               ReluMask(), Tensor(), ChannelGradient{scale, {}, {}});
  }
  if (needs[2]) {
    const TensorOptions wide{DType::Float64, {}, dy.device()};
    const Tensor sum = zeros(scale.sizes(), wide), product = zeros(scale.sizes(), wide),
                 zero = zeros(scale.sizes(), wide);
    run_kernel(backend(dy.device()).channel_sums, "add_scaled backward", dy.device(), sum, product, Tensor(), gradient,
               ReluMask(), branch, zero);
    grads[2] = ops::to(product, scale.dtype());
  }
  return grads;
}

}  // namespace

Tensor add_scaled(const Tensor& x, const Tensor& branch, const Tensor& scale) {
  const OpScope scope("add_scaled", {{"x", x}, {"branch", branch}, {"scale", scale}});
  conv_support::check_dtypes("add_scaled", branch, scale);
  check((x.dim() == 4 || x.dim() == 2) && x.sizes() == branch.sizes() && x.dtype() == branch.dtype() &&
            scale.sizes() == Shape{x.size(1)},
        "add_scaled: x {}, branch {} and scale {} do not go together", describe(x), describe(branch), describe(scale));
  const Tensor base = ops::contiguous(x, MemoryFormat::ChannelsLast);
  const Tensor input = ops::contiguous(branch, MemoryFormat::ChannelsLast);
  const Tensor factors = ops::contiguous(detach(scale));
  const Tensor y = empty_like(base);
  run_kernel(backend(x.device()).channel_affine, "add_scaled", x.device(), y, input, factors, zeros_like(factors), base,
             false);
  return record("add_scaled", y, {x, branch, scale},
                [input_ = Saved(requires_grad(scale) ? input : Tensor()), factors_ = Saved(factors)](
                    const Tensor& dy, const NeedsGrad& needs) {
                  return add_scaled_backward(dy, input_.get(), factors_.get(), needs);
                });
}

}  // namespace bevgrad
