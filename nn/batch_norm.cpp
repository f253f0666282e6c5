#include "nn/batch_norm.h"

#include "autograd/checkpoint.h"
#include "autograd/functions/pointwise.h"
#include "autograd/functions/shape.h"
#include "nn/byte_maps.h"
#include "nn/conv_observer.h"
#include "nn/eight_bits.h"
#include "nn/module_call.h"

namespace bevgrad {

BatchNorm::BatchNorm(int64_t channels, const NormSpec& spec)
    : spec_(spec),
      weight(register_parameter("weight", ones({channels}))),
      bias(register_parameter("bias", zeros({channels}))),
      running_mean(register_buffer("running_mean", zeros({channels}))),
      running_var(register_buffer("running_var", ones({channels}))),
      num_batches_tracked(register_buffer("num_batches_tracked", zeros({}, {DType::Int64}))) {}

void BatchNorm::reset() {
  const NoGradGuard no_grad;
  ops::fill_(weight, 1);
  ops::fill_(bias, 0);
  ops::fill_(running_mean, 0);
  ops::fill_(running_var, 1);
  ops::fill_(num_batches_tracked, 0);
}

Tensor BatchNorm::forward(const Tensor& x, const NormFusion& fusion) {
  if (has_hooks() && (fusion.relu || fusion.residual.defined())) {
    Tensor y = forward(x, {.last_row_count = fusion.last_row_count});
    if (fusion.residual.defined()) y = add(y, to(fusion.residual, y.dtype()));
    return fusion.relu ? relu(y) : y;
  }
  return module_call(*this, [&] {
    const bool batch = uses_batch_statistics();
    if (batch && !is_recomputing()) {
      ++*num_batches_tracked.data<int64_t>();
    }
    Tensor residual = without_bytes(fusion.residual);
    if (residual.defined() && residual.dtype() != x.dtype()) residual = to(residual, x.dtype());
    return batch_norm(x, weight, bias, running_mean, running_var,
                      {.training = batch,
                       .momentum = spec_.momentum,
                       .eps = spec_.eps,
                       .residual = residual,
                       .relu = fusion.relu,
                       .last_row_count = fusion.last_row_count});
  });
}

const FoldedNorm& BatchNorm::folded(const Tensor& conv_bias) {
  std::vector<uint64_t> versions;
  for (const Tensor* tensor : {&weight, &bias, &running_mean, &running_var})
    versions.push_back(tensor->storage()->version);
  if (conv_bias.defined()) versions.push_back(conv_bias.storage()->version);
  if (versions == folded_versions_) return folded_;
  const NoGradGuard no_grad;
  folded_ = fold_batch_norm(weight, bias, running_mean, running_var, spec_.eps);
  if (conv_bias.defined()) folded_.shift = ops::add(folded_.shift, ops::mul(folded_.scale, conv_bias));
  folded_versions_ = std::move(versions);
  return folded_;
}

namespace {

Tensor convolved(const Conv2d& conv, const Tensor& x) {
  return conv.forward_unobserved(x);
}
Tensor convolved(const ConvTranspose2d& conv, const Tensor& x) {
  return conv.forward(x);
}

// Step by step, for an observer.
template <class Conv>
Tensor observed_conv_bn_relu(const Conv& conv, BatchNorm& bn, const Tensor& x, const NormFusion& fusion) {
  using Place = ConvObserver::Place;
  ConvObserver::see(conv, Place::Input, x);
  Tensor y = bn.forward(convolved(conv, x));
  if (fusion.residual.defined()) {
    ConvObserver::see(conv, Place::BeforeSum, y);
    y = add(y, to(fusion.residual, y.dtype()));
  }
  if (fusion.relu) y = relu(y);
  ConvObserver::see(conv, Place::Output, y);
  return y;
}

}  // namespace

Tensor conv_bn_relu(const Conv2d& conv, BatchNorm& bn, const Tensor& x, const NormFusion& fusion) {
  check(!conv.spec().relu, "conv_bn_relu: the convolution must not have an activation of its own");
  if (EightBits* eight_bits = conv.eight_bits()) return eight_bits->forward(conv, &bn, x, fusion);
  if (ConvObserver::is_watching()) return observed_conv_bn_relu(conv, bn, x, fusion);
  const bool recorded = will_record({x, conv.weight, conv.bias, bn.weight, bn.bias, fusion.residual});
  if (bn.uses_batch_statistics() || recorded || conv.has_hooks() || bn.has_hooks())
    return bn.forward(conv.forward(x), fusion);
  const ModuleScope scope(conv);
  const FoldedNorm& norm = bn.folded(conv.bias);
  return conv2d_affine(without_bytes(x), conv.weight,
                       {norm.scale, norm.shift, without_bytes(fusion.residual), fusion.relu}, conv.spec().options());
}

Tensor conv_bn_relu(const ConvTranspose2d& conv, BatchNorm& bn, const Tensor& x, const NormFusion& fusion) {
  if (ConvObserver::is_watching()) return observed_conv_bn_relu(conv, bn, x, fusion);
  return bn.forward(conv.forward(x), fusion);
}

}  // namespace bevgrad
