// Which leaves a computation uses, its arguments and what it captures alike.
#pragma once
#include <vector>

#include "tensor/tensor.h"

namespace bevgrad::tape {

/// Collects the leaves that require a gradient and that are arguments of operations on this thread while it lives, in
/// the order of their first use. Plain operations within a differentiable function count, so that a leaf which the
/// function's record leaves out is here; what is computed under a NoGradGuard does not.
class LeafList {
 public:
  LeafList();
  ~LeafList();
  LeafList(const LeafList&) = delete;
  LeafList& operator=(const LeafList&) = delete;

  const std::vector<Tensor>& leaves() const { return leaves_; }
  void add(const Tensor& leaf);

 private:
  std::vector<Tensor> leaves_;
  LeafList* previous_;
};

/// This thread's innermost list; null where nobody asks.
LeafList* leaf_list();

}  // namespace bevgrad::tape
