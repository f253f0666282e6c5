#include "covered_cells/head.h"

namespace lab {

using namespace bevgrad;

CoveredHead::CoveredHead(int64_t channels, int64_t hidden_channels, Generator& generator)
    : hidden_(channels, hidden_channels, conv3x3()), out_(hidden_channels, 1, {.kernel = 1}) {
  register_module("hidden", hidden_);
  register_module("out", out_);
  init::reset_parameters_resnet(*this, generator);
  init::constant(out_.bias, init::prior_bias(0.1));
}

NamedTensors CoveredHead::forward(const Tensor& feature) {
  return {{kCoveredLogits, out_.forward(hidden_.forward(feature))}};
}

}  // namespace lab
