// A table of vectors, with PyTorch's parameter name.
#pragma once
#include "autograd/functions/indexing.h"
#include "nn/init.h"
#include "nn/module.h"
#include "nn/module_call.h"

namespace bevgrad {

/// `weight` [entries, width]; int64 indices of any shape -> [.., width]. Row `padding_index` (if
/// not negative) gets no gradient. It starts as zeros: init::reset_parameters draws it normal, row `padding_index` 0.
class Embedding : public Module {
 public:
  Embedding(int64_t entries, int64_t width, int64_t padding_index = -1)
      : weight(register_parameter("weight", zeros({entries, width}))), padding_index_(padding_index) {}
  Tensor forward(const Tensor& indices) const {
    return module_call(*this, [&] { return embedding(indices, weight, padding_index_); });
  }
  void draw_parameters(Generator& generator) override {
    init::normal(weight, 0, 1, generator);
    if (padding_index_ >= 0) init::constant(ops::narrow(detach(weight), 0, padding_index_, 1), 0);
  }

  const Tensor weight;

 private:
  int64_t padding_index_;
};

}  // namespace bevgrad
