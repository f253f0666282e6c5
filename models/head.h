// What a task adds to the network: the maps that are computed from a BEV feature.
#pragma once
#include "nn/module.h"

namespace bevgrad {

class Head : public Module {
 public:
  /// feature [N,C,Hb,Wb] -> maps under their public names, in the order in which they are computed.
  virtual NamedTensors forward(const Tensor& feature) = 0;
};

}  // namespace bevgrad
