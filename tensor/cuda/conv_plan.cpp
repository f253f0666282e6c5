#include "cuda/conv_plan.h"

#include <optional>

#include "cuda/conv_engines.h"
#include "cuda/handles.h"
#include "tensor/cuda_stream.h"
#include "tensor/determinism.h"
#include "tensor/device_counts.h"

namespace bevgrad::cuda {
namespace {

constexpr size_t kMaxPlans = 1024;

using Cached = std::shared_ptr<const ConvPlan>;

// Never destroyed: at exit the library may be gone before it.
Recent<std::vector<int64_t>, Cached, NumbersHash>& plans() {
  static auto& cache = *new Recent<std::vector<int64_t>, Cached, NumbersHash>(kMaxPlans);
  return cache;
}

Cached make(const ConvProblem& problem, cudnnHandle_t handle) {
  ConvGraph graph = make_conv_graph(problem, handle);
  const cudnnStatus_t status = graph.graph.try_finalize();
  if (is_refusal(status)) return nullptr;
  check(status, "cudnnBackendFinalize of a convolution");
  std::optional<EngineChoice> choice = choose_engine(graph.graph, problem, {.handle = handle});
  if (!choice) return nullptr;
  return std::make_shared<ConvPlan>(
      ConvPlan{std::move(graph), std::move(choice->config), std::move(choice->plan), choice->workspace_bytes});
}

}  // namespace

Cached find_conv_plan(const ConvProblem& problem, int device) {
  const DeviceGuard guard(device);
  const cudnnHandle_t handle = cudnn_handle(device);
  std::vector<int64_t> key = problem.key();
  key.push_back(deterministic() + 2 * allow_tf32());
  // A plan may not be run by two threads at once, so it goes with its handle, which one thread has at a time.
  key.push_back(reinterpret_cast<intptr_t>(handle));
  if (const auto found = plans().find(key)) return *found;
  return plans().put(key, make(problem, handle));
}

void run_conv_plan(const ConvPlan& plan, const ConvTensors& tensors) {
  const Device device = tensors.x.device();
  const DeviceGuard guard(device.index);
  std::vector<int64_t> uids;
  std::vector<void*> pointers;
  const auto add = [&](ConvUid uid, const Tensor& tensor) {
    if (!tensor.defined()) return;
    uids.push_back(uid);
    pointers.push_back(tensor.raw_data());
  };
  add(kUidX, tensors.x);
  add(kUidWeight, tensors.weight);
  add(kUidY, tensors.y);
  add(kUidShift, tensors.shift);
  add(kUidResidual, tensors.residual);

  // Freed in stream order when this returns: the next operation may take the memory over once this one is done.
  Tensor workspace;
  if (plan.workspace_bytes > 0) workspace = empty({plan.workspace_bytes}, {DType::UInt8, {}, device});
  Descriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  pack.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, uids);
  pack.set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, static_cast<int64_t>(pointers.size()),
           pointers.data());
  pack.set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, workspace.defined() ? workspace.raw_data() : nullptr);
  pack.finalize();
  count(DeviceWork::LibraryCall);
  count(DeviceWork::WorkspaceBytes, plan.workspace_bytes);
  check(cudnnBackendExecute(cudnn_handle(device.index), plan.plan.raw(), pack.raw()), "cudnnBackendExecute");
}

}  // namespace bevgrad::cuda
