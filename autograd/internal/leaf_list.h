// Which leaves a computation uses, its arguments and what it captures alike.
#pragma once
#include <vector>

#include "tensor/tensor.h"

namespace bevgrad {

/// Collects the leaves that require a gradient and that are recorded operations' inputs on this thread while it lives,
/// in the order of their first use.
class LeafList {
 public:
  LeafList();
  ~LeafList();
  LeafList(const LeafList&) = delete;
  LeafList& operator=(const LeafList&) = delete;

  const std::vector<Tensor>& leaves() const { return leaves_; }

 private:
  std::vector<Tensor> leaves_;
  std::vector<Tensor>* previous_;
};

}  // namespace bevgrad
