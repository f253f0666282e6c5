// CUDA graphs: a function that does the same work on a device every time is recorded once and then replayed.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tensor/tensor.h"

namespace bevgrad {

class DeviceGraph {
 public:
  DeviceGraph();
  ~DeviceGraph();
  DeviceGraph(const DeviceGraph&) = delete;
  DeviceGraph& operator=(const DeviceGraph&) = delete;

  using Tensors = std::vector<Tensor>;
  /// Whose the results of a replay are: copies, or the recording's own, which the next replay writes over.
  enum class Results { Copied, Own };

  /// f(inputs); results may be undefined. `f` must be a pure function of its inputs and of `state` (modes, and how
  /// often each weight was written, say; compared number by number) but for what it writes in place: no host
  /// synchronisation, no copies from the host, no branches on values. On a GPU the first two calls with the same
  /// layouts of inputs and the same state run it (the second records it), later ones copy the inputs to where they were
  /// and replay. Recordings of a few layouts are kept, those of another state are not. On the CPU it always runs, and
  /// so it does from the call on whose recording or replay failed, see problem(): then `f` is called a second time.
  Tensors run(const Tensors& inputs, const std::vector<uint64_t>& state,
              const std::function<Tensors(const Tensors&)>& f, Results results = Results::Copied);
  /// Calls of run() that replayed.
  int64_t replays() const { return replays_; }
  /// Why nothing is recorded any more; "" where it is.
  const std::string& problem() const { return problem_; }

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
  int64_t replays_ = 0;
  std::string problem_;
};

}  // namespace bevgrad
