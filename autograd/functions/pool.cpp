#include "autograd/functions/pool.h"

#include "tensor/backend.h"

namespace bevgrad {

Tensor max_pool2d(const Tensor& x, const Pool2dOptions& options) {
  const OpScope scope("max_pool2d", {{"x", x}});
  check(x.dim() == 4 && is_floating_point(x.dtype()), "max_pool2d: expected a floating-point [N,C,H,W], got {}",
        describe(x));
  check(options.kernel >= 1 && options.kernel <= 15 && options.stride >= 1 && options.padding >= 0 &&
            options.padding <= options.kernel / 2,
        "max_pool2d: kernel {} (1 to 15), stride {} (positive) and padding {} (at most half the kernel) do not fit",
        options.kernel, options.stride, options.padding);
  const int64_t h = x.size(2) + 2 * options.padding - options.kernel;
  const int64_t w = x.size(3) + 2 * options.padding - options.kernel;
  check(h >= 0 && w >= 0, "max_pool2d: kernel {} is larger than input {} with padding {}", options.kernel,
        to_string(x.sizes()), options.padding);
  const Shape sizes{x.size(0), x.size(1), h / options.stride + 1, w / options.stride + 1};
  const bool recorded = will_record({x});
  const Tensor y = empty(sizes, {x.dtype(), MemoryFormat::ChannelsLast, x.device()});
  const Tensor index = recorded ? empty(sizes, {DType::UInt8, MemoryFormat::ChannelsLast, x.device()}) : Tensor();
  const ConvOptions window{options.stride, options.padding};
  run_kernel(backend(x.device()).max_pool2d_forward, "max_pool2d", x.device(), y, index,
             ops::contiguous(x, MemoryFormat::ChannelsLast), options.kernel, window);
  if (!recorded) return record("max_pool2d", y, {x}, nullptr);
  auto rule = [index, x_sizes = x.sizes(), kernel = options.kernel, window](const Tensor& dy, const NeedsGrad&) {
    const Tensor dx = empty(x_sizes, {dy.dtype(), MemoryFormat::ChannelsLast, dy.device()});
    run_kernel(backend(dy.device()).max_pool2d_backward, "max_pool2d backward", dy.device(), dx,
               ops::contiguous(dy, MemoryFormat::ChannelsLast), index, kernel, window);
    return Grads{dx};
  };
  return record("max_pool2d", y, {x}, std::move(rule));
}

}  // namespace bevgrad
