#include "nn/init.h"

#include <cmath>
#include <functional>

#include "nn/batch_norm.h"
#include "nn/conv.h"
#include "nn/linear.h"
#include "nn/skip_draws.h"

namespace bevgrad::init {
namespace {

thread_local bool skips_draws = false;

// Weight and bias of a convolution or a linear layer.
using Draw = std::function<void(const Tensor& weight, const Tensor& bias)>;

// Calls `draw` for every convolution and linear layer; other modules draw for themselves.
void reset(Module& root, Generator& generator, const Draw& draw) {
  root.visit([&](const std::string&, Module& module) {
    if (auto* conv = dynamic_cast<Conv2d*>(&module)) return draw(conv->weight, conv->bias);
    if (auto* conv = dynamic_cast<ConvTranspose2d*>(&module)) return draw(conv->weight, conv->bias);
    if (auto* linear = dynamic_cast<Linear*>(&module)) return draw(linear->weight, linear->bias);
    module.draw_parameters(generator);
  });
}

}  // namespace

SkipDraws::SkipDraws() : before_(skips_draws) {
  skips_draws = true;
}

SkipDraws::~SkipDraws() {
  skips_draws = before_;
}

int64_t fan(const Tensor& weight, Fan which) {
  check(weight.dim() >= 2, "init: a weight has at least two dimensions, got {}", to_string(weight.sizes()));
  int64_t taps = 1;
  for (int d = 2; d < weight.dim(); ++d) taps *= weight.size(d);
  return weight.size(which == Fan::In ? 1 : 0) * taps;
}

void constant(const Tensor& parameter, double value) {
  const NoGradGuard no_grad;
  ops::fill_(parameter, value);
}

void uniform(const Tensor& parameter, double low, double high, Generator& generator) {
  if (skips_draws) return;
  const NoGradGuard no_grad;
  ops::copy_(parameter, generator.uniform(parameter.sizes(), low, high, {parameter.dtype()}));
}

void normal(const Tensor& parameter, double mean, double deviation, Generator& generator) {
  if (skips_draws) return;
  const NoGradGuard no_grad;
  ops::copy_(parameter, generator.normal(parameter.sizes(), mean, deviation, {parameter.dtype()}));
}

void kaiming_normal(const Tensor& weight, Fan which, Generator& generator) {
  normal(weight, 0, std::sqrt(2.0 / static_cast<double>(fan(weight, which))), generator);
}

void kaiming_uniform(const Tensor& weight, Generator& generator) {
  const double bound = std::sqrt(1.0 / static_cast<double>(fan(weight, Fan::In)));
  uniform(weight, -bound, bound, generator);
}

void xavier_uniform(const Tensor& weight, Generator& generator) {
  const double bound = std::sqrt(6.0 / static_cast<double>(fan(weight, Fan::In) + fan(weight, Fan::Out)));
  uniform(weight, -bound, bound, generator);
}

double prior_bias(double probability) {
  return -std::log((1 - probability) / probability);
}

void kaiming_uniform(const Tensor& weight, const Tensor& bias, Generator& generator) {
  kaiming_uniform(weight, generator);
  if (!bias.defined()) return;
  const double bound = std::sqrt(1.0 / static_cast<double>(fan(weight, Fan::In)));
  uniform(bias, -bound, bound, generator);
}

void reset_parameters(Module& root, Generator& generator) {
  root.visit([&](const std::string&, Module& module) { module.draw_parameters(generator); });
}

void reset_parameters_resnet(Module& root, Generator& generator) {
  reset(root, generator, [&](const Tensor& weight, const Tensor& bias) {
    kaiming_normal(weight, Fan::Out, generator);
    if (bias.defined()) constant(bias, 0);
  });
}

}  // namespace bevgrad::init
