#include "nn/conv.h"

#include "autograd/functions/pointwise.h"
#include "nn/byte_maps.h"
#include "nn/conv_observer.h"
#include "nn/eight_bits.h"
#include "nn/module_call.h"

namespace bevgrad {
namespace {

// Channels of one group.
int64_t per_group(const char* layer, int64_t channels, int groups) {
  check(groups >= 1 && channels % groups == 0, "{}: {} channels are no multiple of {} groups", layer, channels, groups);
  return channels / groups;
}

}  // namespace

Conv2d::Conv2d(int64_t in_channels, int64_t out_channels, const ConvSpec& spec)
    : spec_(spec),
      weight(register_parameter("weight", zeros({out_channels, per_group("Conv2d", in_channels, spec.groups),
                                                 spec.kernel.h, spec.kernel.w}))),
      bias(spec.bias ? register_parameter("bias", zeros({out_channels})) : Tensor()) {
  per_group("Conv2d", out_channels, spec.groups);
}

Tensor Conv2d::forward(const Tensor& x) const {
  if (eight_bits_) return eight_bits_->forward(*this, nullptr, x, {.relu = spec_.relu});
  ConvObserver::see(*this, ConvObserver::Place::Input, x);
  const Tensor y = forward_unobserved(x);
  ConvObserver::see(*this, ConvObserver::Place::Output, y);
  return y;
}

Tensor Conv2d::forward_unobserved(const Tensor& x) const {
  const bool apart = spec_.relu && has_hooks();
  Conv2dOptions options = spec_.options();
  options.relu = spec_.relu && !apart;
  const Tensor y = module_call(*this, [&] { return conv2d(without_bytes(x), weight, bias, options); });
  return apart ? relu(y) : y;
}

ConvTranspose2d::ConvTranspose2d(int64_t in_channels, int64_t out_channels, const ConvTransposeSpec& spec)
    : spec_(spec),
      weight(register_parameter("weight", zeros({in_channels, per_group("ConvTranspose2d", out_channels, spec.groups),
                                                 spec.kernel.h, spec.kernel.w}))),
      bias(spec.bias ? register_parameter("bias", zeros({out_channels})) : Tensor()) {
  per_group("ConvTranspose2d", in_channels, spec.groups);
}

Tensor ConvTranspose2d::forward(const Tensor& x) const {
  return module_call(*this, [&] { return conv_transpose2d(without_bytes(x), weight, bias, spec_.options()); });
}

}  // namespace bevgrad
