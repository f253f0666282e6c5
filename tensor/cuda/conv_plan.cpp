#include "cuda/conv_plan.h"

#include <fmt/ranges.h>

#include <optional>
#include <string>

#include "cuda/conv_engines.h"
#include "cuda/handles.h"
#include "cuda/plan_files.h"
#include "tensor/cuda_stream.h"
#include "tensor/determinism.h"
#include "tensor/device_counts.h"

namespace bevgrad::cuda {
namespace {

// Step 1 has some 450 a batch size, and each is made anew, in seconds where it is compiled, when it has gone.
constexpr size_t kMaxPlans = 8192;

using Cached = std::shared_ptr<const ConvPlan>;

// Never destroyed: at exit the library may be gone before it.
Recent<std::vector<int64_t>, Cached, NumbersHash>& plans() {
  static auto& cache = *new Recent<std::vector<int64_t>, Cached, NumbersHash>(kMaxPlans);
  return cache;
}

// All that decides which plan is the right one, and whether it can be run here.
std::string key_on_disk(const std::vector<int64_t>& problem, int device) {
  int driver = 0;
  check(cudaDriverGetVersion(&driver), "cudaDriverGetVersion");
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, device), "cudaGetDeviceProperties");
  return fmt::format("cuDNN {}, driver {}, {} {}.{} of {} multiprocessors, convolution {}", cudnnGetVersion(), driver,
                     properties.name, properties.major, properties.minor, properties.multiProcessorCount,
                     fmt::join(problem, " "));
}

Cached kept_plan(const std::string& key, cudnnHandle_t handle) {
  const std::optional<std::string> text = read_plan(key);
  if (!text) return nullptr;
  try {
    Descriptor plan(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
    plan.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1, &handle);
    plan.set(CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, static_cast<int64_t>(text->size()),
             text->data());
    plan.finalize();
    const int64_t bytes = plan.get_int64(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE);
    bevgrad::check(bytes >= 0 && bytes <= kMaxWorkspace, "it wants {} bytes of workspace", bytes);
    return std::make_shared<ConvPlan>(ConvPlan{{}, {}, std::move(plan), bytes});
  } catch (const Error& error) {
    refuse_plan(key, error.what());
    return nullptr;
  }
}

// "" for an engine whose plans cannot be written down.
std::string text_of(const Descriptor& plan) {
  try {
    constexpr auto kText = CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION;
    std::string text(static_cast<size_t>(plan.get(kText, CUDNN_TYPE_CHAR, 0, nullptr)), '\0');
    plan.get(kText, CUDNN_TYPE_CHAR, static_cast<int64_t>(text.size()), text.data());
    return text;
  } catch (const Error&) {
    return "";
  }
}

Cached make(const ConvProblem& problem, cudnnHandle_t handle, const std::string& key) {
  if (Cached kept = kept_plan(key, handle)) return kept;
  ConvGraph graph = make_conv_graph(problem, handle);
  const cudnnStatus_t status = graph.graph.try_finalize();
  if (is_refusal(status)) return nullptr;
  check(status, "cudnnBackendFinalize of a convolution");
  std::optional<EngineChoice> choice = choose_engine(graph.graph, problem, {.handle = handle});
  if (!choice) return nullptr;
  if (const std::string text = plan_folder().empty() ? "" : text_of(choice->plan); !text.empty()) keep_plan(key, text);
  return std::make_shared<ConvPlan>(
      ConvPlan{std::move(graph), std::move(choice->config), std::move(choice->plan), choice->workspace_bytes});
}

}  // namespace

Cached find_conv_plan(const ConvProblem& problem, int device) {
  const DeviceGuard guard(device);
  const cudnnHandle_t handle = cudnn_handle(device);
  std::vector<int64_t> key = problem.key();
  key.push_back(deterministic() + 2 * allow_tf32());
  const std::vector<int64_t> of_all_threads = key;
  // A plan may not be run by two threads at once, so it goes with its handle, which one thread has at a time.
  key.push_back(reinterpret_cast<intptr_t>(handle));
  if (const auto found = plans().find(key)) return *found;
  return plans().put(key, make(problem, handle, key_on_disk(of_all_threads, device)));
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
