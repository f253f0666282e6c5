// A table of vectors, with PyTorch's parameter name.
#pragma once
#include "autograd/functions/indexing.h"
#include "nn/module.h"
#include "nn/module_scope.h"

namespace bevgrad {

/// `weight` [entries, width]; int64 indices of any shape -> [.., width]. It starts as zeros: init::normal draws it. Row
/// `padding_index` (if not negative) gets no gradient.
class Embedding : public Module {
 public:
  Embedding(int64_t entries, int64_t width, int64_t padding_index = -1)
      : weight(register_parameter("weight", zeros({entries, width}))), padding_index_(padding_index) {}
  Tensor forward(const Tensor& indices) const {
    const ModuleScope scope(*this);
    return embedding(indices, weight, padding_index_);
  }

  const Tensor weight;

 private:
  int64_t padding_index_;
};

}  // namespace bevgrad
