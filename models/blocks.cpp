#include "models/blocks.h"

#include "autograd/functions/pointwise.h"
#include "autograd/functions/shape.h"
#include "models/conv_observer.h"

namespace bevgrad {
namespace {

using Place = ConvObserver::Place;

// Step by step, so that each step can be tapped.
template <class Conv>
Tensor run_apart(const Conv& conv, BatchNorm& bn, const Tensor& x, const NormFusion& fusion) {
  ConvObserver::see(conv, Place::Input, x);
  Tensor y = tapped(conv, conv.forward(x));
  y = tapped(bn, bn.forward(y));
  if (fusion.residual.defined()) {
    ConvObserver::see(conv, Place::BeforeSum, y);
    y = add(y, to(fusion.residual, y.dtype()));
  }
  if (fusion.relu) y = relu(y);
  ConvObserver::see(conv, Place::Output, y);
  return y;
}

Tensor run_alone(const Conv2d& conv, const Tensor& x) {
  if (!conv.spec().relu || !is_tapped(conv)) return tapped(conv, conv.forward(x));
  Conv2dOptions without_relu = conv.spec().options();
  without_relu.relu = false;
  return relu(tapped(conv, conv2d(x, conv.weight, conv.bias, without_relu)));
}

template <class Conv>
bool runs_apart(const Conv& conv, const BatchNorm& bn) {
  return is_tapped(conv) || is_tapped(bn) || ConvObserver::is_watching();
}

}  // namespace

Tensor run(const Conv2d& conv, const Tensor& x) {
  ConvObserver::see(conv, Place::Input, x);
  const Tensor y = run_alone(conv, x);
  ConvObserver::see(conv, Place::Output, y);
  return y;
}

Tensor run(const Conv2d& conv, BatchNorm& bn, const Tensor& x, const NormFusion& fusion) {
  if (runs_apart(conv, bn)) return run_apart(conv, bn, x, fusion);
  return conv_bn_relu(conv, bn, x, fusion);
}

Tensor run(const ConvTranspose2d& conv, BatchNorm& bn, const Tensor& x, const NormFusion& fusion) {
  if (runs_apart(conv, bn)) return run_apart(conv, bn, x, fusion);
  return conv_bn_relu(conv, bn, x, fusion);
}

}  // namespace bevgrad
