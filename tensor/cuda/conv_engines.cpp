#include "cuda/conv_engines.h"

#include <algorithm>
#include <array>

#include "tensor/determinism.h"

namespace bevgrad::cuda {
namespace {

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
  const EngineNotes notes = engine_notes(config);
  return std::ranges::none_of(notes.numerical, [&](auto note) { return policy.forbids(note); });
}

// What the heuristics propose, best first; none where they fail in `mode`. The fallback must not fail, but may refuse.
std::vector<Descriptor> engine_configs(const Descriptor& graph, cudnnBackendHeurMode_t mode,
                                       const EngineTarget& target) {
  Descriptor heuristics(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  heuristics.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph);
  heuristics.set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode);
  if (target.device) heuristics.set(CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, *target.device);
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
std::optional<Descriptor> build(const Descriptor& config, EngineTarget target) {
  Descriptor plan(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
  if (target.device) {
    plan.set(CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, *target.device);
  } else {
    plan.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1, &target.handle);
  }
  plan.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, config);
  if (plan.try_finalize() != CUDNN_STATUS_SUCCESS) return {};
  if (plan.get_int64(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE) > kMaxWorkspace) return {};
  return plan;
}

}  // namespace

EngineNotes engine_notes(const Descriptor& config) {
  Descriptor engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  cudnnBackendDescriptor_t raw = engine.raw();
  config.get(CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &raw);
  EngineNotes notes;
  engine.get(CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1, &notes.engine);
  const auto read = [&](auto& list, size_t most, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type) {
    list.resize(most);
    const int64_t count = engine.get(name, type, static_cast<int64_t>(most), list.data());
    list.resize(std::min(most, static_cast<size_t>(count)));
  };
  read(notes.numerical, CUDNN_NUMERICAL_NOTE_TYPE_COUNT, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE);
  read(notes.behaviour, CUDNN_BEHAVIOR_NOTE_TYPE_COUNT, CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE, CUDNN_TYPE_BEHAVIOR_NOTE);
  return notes;
}

std::optional<EngineChoice> choose_engine(const Descriptor& graph, const ConvProblem& problem, EngineTarget target) {
  const Policy policy(problem);
  for (const cudnnBackendHeurMode_t mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK})
    for (Descriptor& config : engine_configs(graph, mode, target)) {
      if (!is_allowed(config, policy)) continue;
      std::optional<Descriptor> plan = build(config, target);
      if (!plan) continue;
      const int64_t bytes = plan->get_int64(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE);
      return EngineChoice{std::move(config), *std::move(plan), bytes};
    }
  return {};
}

}  // namespace bevgrad::cuda
