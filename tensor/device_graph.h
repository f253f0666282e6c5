// CUDA graphs: a function that does the same work on a device every time is recorded once and then replayed.
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

  /// f(input). `f` must be a pure function of its input and of `state` (modes, and how often each weight was written,
  /// say; compared number by number): no host synchronisation, no copies from the host, no branches on values. On a GPU
  /// the first two calls with the same input shape and state run it (the second records it), later ones replay the
  /// recording as long as both stay the same. On the CPU it always runs.
  Tensor run(const Tensor& input, const std::vector<uint64_t>& state, const std::function<Tensor(const Tensor&)>& f);
  /// Calls of run() that replayed.
  int64_t replays() const { return replays_; }

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
  int64_t replays_ = 0;
};

}  // namespace bevgrad
