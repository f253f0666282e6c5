#include "tensor/device_graph.h"

#include <optional>

#include "tensor/ops.h"

#ifdef BEVGRAD_CUDA
#include "internal/cuda_capture.h"
#include "tensor/device_counts.h"
#endif

namespace bevgrad {

#ifdef BEVGRAD_CUDA

namespace {

/// What a recording is good for.
struct Use {
  Shape sizes, strides;
  DType dtype;
  Device device;
  std::vector<uint64_t> state;
  bool operator==(const Use&) const = default;
};

class GraphRecording {
 public:
  GraphRecording(const Tensor& input, const Tensor& output, const std::function<Tensor(const Tensor&)>& f)
      : input_(ops::clone(input)), output_(output) {
    const int device = input.device().index;
    const cuda::DeviceGuard guard(device);
    cuda::Capture capture(device);
    // Everything that f makes goes before the recording ends.
    ops::copy_(output_, f(input_));
    const cudaGraph_t graph = capture.end();
    const cudaError_t status = cudaGraphInstantiate(&graph_, graph, 0);
    cuda::check(cudaGraphDestroy(graph), "cudaGraphDestroy");
    cuda::check(status, "cudaGraphInstantiate");
  }
  ~GraphRecording() {
    const cuda::DeviceGuard guard(input_.device().index);
    // It may still be running.
    static_cast<void>(cudaStreamSynchronize(cuda::compute_stream(input_.device().index)));
    if (graph_) static_cast<void>(cudaGraphExecDestroy(graph_));
  }
  GraphRecording(const GraphRecording&) = delete;
  GraphRecording& operator=(const GraphRecording&) = delete;

  Tensor replay(const Tensor& input) {
    const cuda::DeviceGuard guard(input.device().index);
    ops::copy_(input_, input);
    cuda::count(DeviceWork::GraphLaunch);
    cuda::check(cudaGraphLaunch(graph_, cuda::compute_stream(input.device().index)), "cudaGraphLaunch");
    // The next replay writes over the output.
    return ops::clone(output_);
  }

 private:
  Tensor input_, output_;
  cudaGraphExec_t graph_ = nullptr;
};

}  // namespace

struct DeviceGraph::Impl {
  std::optional<Use> recorded, seen;
  std::unique_ptr<GraphRecording> recording;
  Shape sizes;  // of the output of `seen`
  TensorOptions layout;
};

Tensor DeviceGraph::run(const Tensor& input, const std::vector<uint64_t>& state,
                        const std::function<Tensor(const Tensor&)>& f) {
  if (input.device().is_cpu()) return f(input);
  const Use use{input.sizes(), input.strides(), input.dtype(), input.device(), state};
  if (impl_->recorded == use) {
    ++replays_;
    return impl_->recording->replay(input);
  }
  if (impl_->seen != use) {
    // Once as it is: what is prepared at the first use (weights, plans) is not to be part of the recording.
    const Tensor output = f(input);
    impl_->seen = use;
    impl_->sizes = output.sizes();
    impl_->layout = {output.dtype(), output.suggested_format(), output.device()};
    return output;
  }
  impl_->recorded.reset();
  impl_->recording.reset();
  impl_->recording = std::make_unique<GraphRecording>(input, empty(impl_->sizes, impl_->layout), f);
  impl_->recorded = use;
  impl_->seen.reset();
  return impl_->recording->replay(input);
}

#else

struct DeviceGraph::Impl {};

Tensor DeviceGraph::run(const Tensor& input, const std::vector<uint64_t>&,
                        const std::function<Tensor(const Tensor&)>& f) {
  return f(input);
}

#endif

DeviceGraph::DeviceGraph() : impl_(std::make_unique<Impl>()) {}
DeviceGraph::~DeviceGraph() = default;

}  // namespace bevgrad
