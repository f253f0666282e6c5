#include "models/blocks.h"

#include "autograd/functions/pointwise.h"
#include "autograd/functions/shape.h"

namespace bevgrad {
namespace {

// Step by step, so that each step can be tapped.
template <class Conv>
Tensor run_apart(const Conv& conv, BatchNorm& bn, const Tensor& x, const NormFusion& fusion) {
  Tensor y = tapped(conv, conv.forward(x));
  y = tapped(bn, bn.forward(y));
  if (fusion.residual.defined()) y = add(y, to(fusion.residual, y.dtype()));
  return fusion.relu ? relu(y) : y;
}

}  // namespace

Tensor run(const Conv2d& conv, const Tensor& x) {
  if (!conv.spec().relu || !is_tapped(conv)) return tapped(conv, conv.forward(x));
  Conv2dOptions without_relu = conv.spec().options();
  without_relu.relu = false;
  return relu(tapped(conv, conv2d(x, conv.weight, conv.bias, without_relu)));
}

Tensor run(const Conv2d& conv, BatchNorm& bn, const Tensor& x, const NormFusion& fusion) {
  if (is_tapped(conv) || is_tapped(bn)) return run_apart(conv, bn, x, fusion);
  return conv_bn_relu(conv, bn, x, fusion);
}

Tensor run(const ConvTranspose2d& conv, BatchNorm& bn, const Tensor& x, const NormFusion& fusion) {
  if (is_tapped(conv) || is_tapped(bn)) return run_apart(conv, bn, x, fusion);
  return conv_bn_relu(conv, bn, x, fusion);
}

}  // namespace bevgrad
