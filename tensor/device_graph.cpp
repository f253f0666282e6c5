#include "tensor/device_graph.h"

#include <algorithm>
#include <list>
#include <optional>
#include <utility>

#include "tensor/graph_recording.h"
#include "tensor/ops.h"

#ifdef BEVGRAD_CUDA
#include "cuda/memory.h"
#include "internal/cuda_capture.h"
#include "tensor/determinism.h"
#include "tensor/device_counts.h"
#endif

namespace bevgrad {

#ifdef BEVGRAD_CUDA

namespace {

using Tensors = DeviceGraph::Tensors;

constexpr size_t kMostRecordings = 4;

struct GraphInput {
  Shape sizes, strides;
  DType dtype;
  Device device;
  bool operator==(const GraphInput&) const = default;
};

/// A result's size and layout; none where it is undefined.
using GraphOutput = std::optional<std::pair<Shape, TensorOptions>>;

Tensors copies_of(const Tensors& tensors) {
  Tensors copies;
  for (const Tensor& tensor : tensors) copies.push_back(tensor.defined() ? ops::clone(tensor) : tensor);
  return copies;
}

class GraphRecording {
 public:
  /// `outputs`: where the results go.
  GraphRecording(const Tensors& inputs, Tensors outputs, const std::function<Tensors(const Tensors&)>& f)
      : device_(inputs[0].device().index), inputs_(copies_of(inputs)), outputs_(std::move(outputs)) {
    const cuda::DeviceGuard guard(device_);
    // A graph's memory is the driver's: what is kept for others would lie beside it.
    cuda::empty_cache(device_);
    cuda::Capture capture(device_);
    {
      // Everything that f makes goes before the recording ends.
      const Tensors results = f(inputs_);
      check(results.size() == outputs_.size(), "DeviceGraph: {} results, the call before gave {}", results.size(),
            outputs_.size());
      for (size_t i = 0; i < results.size(); ++i)
        if (results[i].defined()) ops::copy_(outputs_[i], results[i]);
    }
    const cudaGraph_t graph = capture.end();
    const cudaError_t status = cudaGraphInstantiate(&graph_, graph, 0);
    cuda::check(cudaGraphDestroy(graph), "cudaGraphDestroy");
    cuda::check(status, "cudaGraphInstantiate");
  }
  ~GraphRecording() {
    const cuda::DeviceGuard guard(device_);
    // It may still be running.
    static_cast<void>(cudaStreamSynchronize(cuda::compute_stream(device_)));
    if (graph_) static_cast<void>(cudaGraphExecDestroy(graph_));
  }
  GraphRecording(const GraphRecording&) = delete;
  GraphRecording& operator=(const GraphRecording&) = delete;

  Tensors replay(const Tensors& inputs, DeviceGraph::Results results) {
    const cuda::DeviceGuard guard(device_);
    for (size_t i = 0; i < inputs.size(); ++i) ops::copy_(inputs_[i], inputs[i]);
    cuda::count(DeviceWork::GraphLaunch);
    cuda::check(cudaGraphLaunch(graph_, cuda::compute_stream(device_)), "cudaGraphLaunch");
    return results == DeviceGraph::Results::Own ? outputs_ : copies_of(outputs_);
  }

 private:
  int device_;
  Tensors inputs_, outputs_;
  cudaGraphExec_t graph_ = nullptr;
};

}  // namespace

struct DeviceGraph::Impl {
  struct Use {
    std::vector<GraphInput> inputs;
    std::vector<GraphOutput> outputs;
    std::unique_ptr<GraphRecording> recording;  // from the second call on
  };
  std::vector<uint64_t> state;
  std::list<Use> uses;  // the last first
};

Tensors DeviceGraph::run(const Tensors& inputs, const std::vector<uint64_t>& state,
                         const std::function<Tensors(const Tensors&)>& f, Results results) {
  if (inputs.at(0).device().is_cpu() || !problem_.empty()) return f(inputs);
  std::vector<uint64_t> now = state;
  now.push_back((allow_tf32() ? 2 : 0) + (deterministic() ? 1 : 0));
  auto& uses = impl_->uses;
  if (impl_->state != now) uses.clear();
  impl_->state = std::move(now);
  std::vector<GraphInput> layouts;
  for (const Tensor& input : inputs) layouts.push_back({input.sizes(), input.strides(), input.dtype(), input.device()});
  const auto found = std::ranges::find_if(uses, [&](const Impl::Use& use) { return use.inputs == layouts; });
  if (found == uses.end()) {
    // Once as it is: what is prepared at the first use (weights, plans) is not to be part of the recording.
    Tensors outputs = f(inputs);
    Impl::Use use{std::move(layouts), {}, nullptr};
    for (const Tensor& output : outputs) {
      GraphOutput& layout = use.outputs.emplace_back();
      if (output.defined())
        layout.emplace(output.sizes(), TensorOptions{output.dtype(), output.suggested_format(), output.device()});
    }
    if (uses.size() == kMostRecordings) uses.pop_back();
    uses.push_front(std::move(use));
    return outputs;
  }
  uses.splice(uses.begin(), uses, found);
  Impl::Use& use = uses.front();
  try {
    const bool is_replay = use.recording != nullptr;
    if (!is_replay) {
      Tensors outputs;
      for (const GraphOutput& layout : use.outputs)
        outputs.push_back(layout ? empty(layout->first, layout->second) : Tensor());
      use.recording = std::make_unique<GraphRecording>(inputs, std::move(outputs), f);
    }
    Tensors made = use.recording->replay(inputs, results);
    replays_ += is_replay ? 1 : 0;
    return made;
  } catch (const Error& error) {
    problem_ = error.what();
    uses.clear();
    static_cast<void>(cudaGetLastError());
  }
  return f(inputs);
}

bool is_recording_graph() {
  return cuda::is_recording();
}

#else

bool is_recording_graph() {
  return false;
}

struct DeviceGraph::Impl {};

DeviceGraph::Tensors DeviceGraph::run(const Tensors& inputs, const std::vector<uint64_t>&,
                                      const std::function<Tensors(const Tensors&)>& f, Results) {
  return f(inputs);
}

#endif

DeviceGraph::DeviceGraph() : impl_(std::make_unique<Impl>()) {}
DeviceGraph::~DeviceGraph() = default;

}  // namespace bevgrad
