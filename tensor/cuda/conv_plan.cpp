#include "cuda/conv_plan.h"

#include <algorithm>
#include <optional>

#include "cuda/handles.h"
#include "tensor/cuda_stream.h"
#include "tensor/determinism.h"

namespace bevgrad::cuda {
namespace {

constexpr size_t kMaxPlans = 1024;

using Cached = std::shared_ptr<const ConvPlan>;

// Never destroyed: at exit the library may be gone before it.
Recent<std::vector<int64_t>, Cached, NumbersHash>& plans() {
  static auto& cache = *new Recent<std::vector<int64_t>, Cached, NumbersHash>(kMaxPlans);
  return cache;
}

struct Policy {
  bool deterministic;
  bool tensor_cores;

  explicit Policy(const ConvProblem& problem)
      : deterministic(bevgrad::deterministic()),
        tensor_cores(problem.input_dtype() != DType::Float32 || allow_tf32()) {}

  bool forbids(cudnnBackendNumericalNote_t note) const {
    switch (note) {
      case CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC:
        return deterministic;
      case CUDNN_NUMERICAL_NOTE_TENSOR_CORE:
        return !tensor_cores;
      case CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS:
      case CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION:
      case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_6x6:
      case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_13x13:
        return true;  // larger errors than the types of the operands call for
      default:
        return false;
    }
  }
};

bool is_allowed(const Descriptor& config, const Policy& policy) {
  Descriptor engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  cudnnBackendDescriptor_t raw = engine.raw();
  config.get(CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &raw);
  std::array<cudnnBackendNumericalNote_t, CUDNN_NUMERICAL_NOTE_TYPE_COUNT> notes{};
  const int64_t count =
      engine.get(CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE, notes.size(), notes.data());
  return std::none_of(notes.begin(), notes.begin() + std::min<int64_t>(count, notes.size()),
                      [&](auto note) { return policy.forbids(note); });
}

// What the heuristics propose, best first; none where they fail in `mode`. The fallback must not fail, but may refuse.
std::vector<Descriptor> engine_configs(const Descriptor& graph, cudnnBackendHeurMode_t mode) {
  Descriptor heuristics(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  heuristics.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph);
  heuristics.set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode);
  const cudnnStatus_t status = heuristics.try_finalize();
  if (is_refusal(status) || (status != CUDNN_STATUS_SUCCESS && mode != CUDNN_HEUR_MODE_FALLBACK)) return {};
  check(status, "cudnnBackendFinalize of the heuristics");
  const int64_t count = heuristics.get(CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, nullptr);
  std::vector<Descriptor> configs;
  std::vector<cudnnBackendDescriptor_t> raw;
  for (int64_t i = 0; i < count; ++i) raw.push_back(configs.emplace_back(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR).raw());
  const int64_t found = heuristics.get(CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, count, raw.data());
  configs.erase(configs.begin() + std::min(found, count), configs.end());
  return configs;
}

// A plan of this engine, or nothing where it cannot be built here or wants too much memory.
std::optional<Descriptor> build(const Descriptor& config, cudnnHandle_t handle) {
  Descriptor plan(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
  plan.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1, &handle);
  plan.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, config);
  if (plan.try_finalize() != CUDNN_STATUS_SUCCESS) return {};
  if (plan.get_int64(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE) > kMaxWorkspace) return {};
  return plan;
}

Cached make(const ConvProblem& problem, cudnnHandle_t handle) {
  ConvGraph graph = make_conv_graph(problem, handle);
  const cudnnStatus_t status = graph.graph.try_finalize();
  if (is_refusal(status)) return nullptr;
  check(status, "cudnnBackendFinalize of a convolution");
  const Policy policy(problem);
  for (const cudnnBackendHeurMode_t mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK})
    for (Descriptor& config : engine_configs(graph.graph, mode)) {
      if (!is_allowed(config, policy)) continue;
      std::optional<Descriptor> plan = build(config, handle);
      if (!plan) continue;
      const int64_t bytes = plan->get_int64(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE);
      return std::make_shared<ConvPlan>(ConvPlan{std::move(graph), std::move(config), *std::move(plan), bytes});
    }
  return nullptr;
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
  check(cudnnBackendExecute(cudnn_handle(device.index), plan.plan.raw(), pack.raw()), "cudnnBackendExecute");
}

}  // namespace bevgrad::cuda
