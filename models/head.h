// What a task adds to the network: the maps that are computed from a BEV feature.
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "models/network_output.h"
#include "nn/module.h"
#include "tensor/random.h"

namespace bevgrad {

class Head : public Module {
 public:
  /// feature [N,C,Hb,Wb] -> maps under their public names, in the order in which they are computed.
  virtual NamedTensors forward(const Tensor& feature) = 0;
};

/// A head that a network is built with.
struct HeadSpec {
  std::string name;               ///< of the module: the first part of its parameters' names
  const char* input = kBevFused;  ///< the map that it takes: kBevFused or kBevTemporal
  /// With fresh weights, for a feature of so many channels; empty: the head is switched off.
  std::function<std::unique_ptr<Head>(int64_t channels, Generator& generator)> make;
};

}  // namespace bevgrad
