// Work on a device that is the same every time, recorded once and then replayed without the host's share of it.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "tensor/tensor.h"

namespace bevgrad {

class DeviceGraph {
 public:
  DeviceGraph();
  ~DeviceGraph();
  DeviceGraph(const DeviceGraph&) = delete;
  DeviceGraph& operator=(const DeviceGraph&) = delete;

  /// f(input). `f` depends on its input and on what `state` stands for alone (modes, and how often each weight was
  /// written, say; compared number by number), never waits for the device and takes nothing from the host. On a GPU the
  /// first two calls with an input of one shape and one state run it (the second records it), and those that follow
  /// replay it, as long as both stay the same. On the CPU it always runs.
  Tensor run(const Tensor& input, const std::vector<uint64_t>& state, const std::function<Tensor(const Tensor&)>& f);
  /// Calls of run() that replayed.
  int64_t replays() const { return replays_; }

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
  int64_t replays_ = 0;
};

}  // namespace bevgrad
