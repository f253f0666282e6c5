// Dropout as a layer.
#pragma once
#include "autograd/functions/dropout.h"
#include "nn/module.h"
#include "nn/module_call.h"

namespace bevgrad {

/// In training, 0 with probability p and x / (1 - p) otherwise; x itself in evaluation and where frozen. Its own
/// sequence of draws begins at `seed`, so that the same seed and calls drop the same elements.
class Dropout : public Module {
 public:
  explicit Dropout(double p = 0.5, uint64_t seed = 0) : p_(p), generator_(seed) {
    check(p >= 0 && p < 1, "Dropout: the probability is {}, expected 0 to below 1", p);
  }
  Tensor forward(const Tensor& x) {
    return module_call(*this, [&] { return training() && !frozen() ? dropout(x, p_, generator_) : x; });
  }

 private:
  double p_;
  Generator generator_;
};

}  // namespace bevgrad
