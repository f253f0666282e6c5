// Initial values of parameters. Each draws from the generator that it is given and writes in place.
#pragma once
#include "nn/module.h"
#include "tensor/random.h"

namespace bevgrad::init {

/// Fan of a weight [out,in,..]: how many numbers feed one output (In), or are fed by one input (Out).
enum class Fan { In, Out };
int64_t fan(const Tensor& weight, Fan which);

void constant(const Tensor& parameter, double value);
void uniform(const Tensor& parameter, double low, double high, Generator& generator);
void normal(const Tensor& parameter, double mean, double deviation, Generator& generator);
/// He et al., "Delving deep into rectifiers" (2015), for a ReLU after it: normal of variance 2 / fan.
void kaiming_normal(const Tensor& weight, Fan which, Generator& generator);
/// Uniform in +-sqrt(1 / fan in), which is what PyTorch's layers start with; the bias's bound has the same fan.
void kaiming_uniform(const Tensor& weight, Generator& generator);
/// Both; the bias may be undefined.
void kaiming_uniform(const Tensor& weight, const Tensor& bias, Generator& generator);
/// Output bias that gives a sigmoid of `probability`: -log((1 - p) / p).
double prior_bias(double probability);

/// Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks" (2010): uniform in
/// +-sqrt(6 / (fan in + fan out)).
void xavier_uniform(const Tensor& weight, Generator& generator);

/// Every layer of the tree draws PyTorch's default values for its kind, in the order of registration, by
/// Module::draw_parameters.
void reset_parameters(Module& root, Generator& generator);
/// The same, with kaiming_normal (fan out) for convolutions as in torchvision's ResNet; biases 0.
void reset_parameters_resnet(Module& root, Generator& generator);

}  // namespace bevgrad::init
