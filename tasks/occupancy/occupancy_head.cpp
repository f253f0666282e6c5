#include "tasks/occupancy/occupancy_head.h"

#include "autograd/functions/activations.h"
#include "autograd/functions/interpolate.h"
#include "autograd/functions/pointwise.h"
#include "nn/init.h"
#include "nn/module_call.h"

namespace bevgrad {

OccupancyHead::FinalConv::FinalConv(int64_t in_channels, int64_t channels)
    : conv(in_channels, channels, {.kernel = 3, .padding = 1}) {
  register_module("conv", conv);
}

OccupancyHead::Predicter::Predicter(int64_t channels, int64_t scores)
    : hidden(channels, 2 * channels), out(2 * channels, scores) {
  register_module("0", hidden);
  register_module("2", out);
}

OccupancyHead::OccupancyHead(int64_t in_channels, const OccupancyHeadOptions& options, Generator& generator)
    : doublings_(options.doublings),
      final_conv_(in_channels, options.channels),
      predicter_(options.channels, options.levels * (options.classes + 1)) {
  register_module("final_conv", final_conv_);
  register_module("predicter", predicter_);
  init::reset_parameters(*this, generator);
}

NamedTensors OccupancyHead::forward(const Tensor& feature) {
  return module_call(*this, [&] {
    Tensor x = feature;
    for (int64_t i = 0; i < doublings_; ++i) x = interpolate_bilinear(x, 2 * x.size(2), 2 * x.size(3));
    x = relu(final_conv_.conv.forward(x));
    return NamedTensors{{kOccupancyLogits, predicter_.out.forward(softplus(predicter_.hidden.forward(x)))}};
  });
}

}  // namespace bevgrad
