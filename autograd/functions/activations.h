// Differentiable activations, per element: float32, float64 or bfloat16, any shape, any device. relu and sigmoid are in
// pointwise.h, softmax in softmax.h.
#pragma once
#include "autograd/autograd.h"

namespace bevgrad {

Tensor tanh(const Tensor& x);
enum class GeluForm { Exact, Tanh };
/// x Phi(x), Phi the normal distribution (Hendrycks and Gimpel, 2016); GeluForm::Tanh is its usual approximation,
/// x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))).
Tensor gelu(const Tensor& x, GeluForm form = GeluForm::Exact);
/// x sigmoid(x) (also called swish).
Tensor silu(const Tensor& x);
/// x where it is positive, negative_slope * x elsewhere; so the gradient at 0.
Tensor leaky_relu(const Tensor& x, double negative_slope = 0.01);
/// x where it is positive, alpha (exp(x) - 1) elsewhere (Clevert et al., 2015).
Tensor elu(const Tensor& x, double alpha = 1.0);
/// log(1 + exp(beta x)) / beta; x itself where beta x exceeds `threshold`.
Tensor softplus(const Tensor& x, double beta = 1.0, double threshold = 20.0);
/// x min(max(x + 3, 0), 6) / 6 (Howard et al., "Searching for MobileNetV3", 2019).
Tensor hardswish(const Tensor& x);

}  // namespace bevgrad
