// The calls themselves: handles, and the life of descriptors.
#include <algorithm>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "emulation/operation.h"
#include "engines.h"
#include "execute.h"
#include "plan_text.h"

namespace bevgrad::emulation::cudnn {
namespace {

thread_local std::string last_error;

struct Registry {
  std::mutex mutex;
  std::unordered_map<void*, NodePointer> nodes;
  std::unordered_map<void*, std::shared_ptr<cudnnContext>> handles;
};

Registry& registry() {
  static Registry& instance = *new Registry;
  return instance;
}

NodePointer node_of(cudnnBackendDescriptor_t descriptor, const char* call) {
  std::lock_guard lock(registry().mutex);
  const auto found = registry().nodes.find(descriptor);
  if (found == registry().nodes.end()) fault(fmt::format("{}: not a descriptor, or destroyed before", call));
  return found->second;
}

std::shared_ptr<cudnnContext> handle_of(cudnnHandle_t handle, const char* call) {
  std::lock_guard lock(registry().mutex);
  const auto found = registry().handles.find(handle);
  if (found == registry().handles.end()) fault(fmt::format("{}: not a handle, or destroyed before", call));
  return found->second;
}

template <class Body>
cudnnStatus_t guarded(const char* call, const Body& body) {
  try {
    body();
    return CUDNN_STATUS_SUCCESS;
  } catch (const Refusal& refusal) {
    last_error = fmt::format("{}: {}", call, refusal.reason);
    return refusal.status;
  }
}

void set_attribute(Node& node, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t count,
                   const void* values) {
  require(!node.finalized, CUDNN_STATUS_BAD_PARAM, "attribute {} is set after the descriptor is finalised",
          static_cast<int>(name));
  require(values != nullptr, CUDNN_STATUS_BAD_PARAM_NULL_POINTER, "attribute {} has no values", static_cast<int>(name));
  check_attribute(node, name, type, count);
  const auto* bytes = static_cast<const unsigned char*>(values);
  Value value{type, count, {bytes, bytes + static_cast<size_t>(count) * size_of(type)}, {}};
  if (type == CUDNN_TYPE_BACKEND_DESCRIPTOR)
    for (int64_t i = 0; i < count; ++i)
      value.nodes.push_back(
          node_of(static_cast<const cudnnBackendDescriptor_t*>(values)[i], "cudnnBackendSetAttribute"));
  if (type == CUDNN_TYPE_HANDLE && *static_cast<const cudnnHandle_t*>(values))
    handle_of(*static_cast<const cudnnHandle_t*>(values), "cudnnBackendSetAttribute");
  node.values[name] = std::move(value);
}

void finalize(Node& node) {
  require(!node.finalized, CUDNN_STATUS_BAD_PARAM, "the descriptor is finalised already");
  if (node.has(CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION)) {
    const auto text = node.list<char>(CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION);
    node.values[CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG] = {
        CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, {}, {config_of_text({text.begin(), text.end()})}};
  }
  check_complete(node);
  check_consistency(node);
  if (node.type == CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR) check_graph_support(read_pattern(node));
  if (node.type == CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR) {
    require(node.one<cudnnHandle_t>(CUDNN_ATTR_EXECUTION_PLAN_HANDLE) != nullptr, CUDNN_STATUS_BAD_PARAM_NULL_POINTER,
            "a plan needs a handle");
    const Node& config = *node.node(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG);
    check_engine_support(config.engine, read_pattern(*config.graph));
  }
  node.finalized = true;
}

int64_t give_configs(const Node& heuristics, int64_t wanted, void* values) {
  const NodePointer& graph = heuristics.node(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH);
  const auto found =
      candidates(read_pattern(*graph), heuristics.one<cudnnBackendHeurMode_t>(CUDNN_ATTR_ENGINEHEUR_MODE));
  if (wanted == 0) return static_cast<int64_t>(found.size());
  const int64_t given = std::min<int64_t>(wanted, static_cast<int64_t>(found.size()));
  for (int64_t i = 0; i < given; ++i) {
    const NodePointer config =
        node_of(static_cast<const cudnnBackendDescriptor_t*>(values)[i], "cudnnBackendGetAttribute");
    require(config->type == CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, CUDNN_STATUS_BAD_PARAM_DESCRIPTOR_TYPE,
            "results of heuristics go into engine configurations");
    config->engine = found[static_cast<size_t>(i)];
    config->graph = graph;
    config->finalized = true;
  }
  return given;
}

int64_t get_attribute(const Node& node, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                      int64_t wanted, void* values) {
  require(node.finalized, CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED,
          "attribute {} is read before the descriptor is finalised", static_cast<int>(name));
  const auto expect = [&](cudnnBackendAttributeType_t right) {
    require(type == right, CUDNN_STATUS_BAD_PARAM_ATTRIBUTE_TYPE, "attribute {} is of type {}, read as {}",
            static_cast<int>(name), static_cast<int>(right), static_cast<int>(type));
  };
  if (node.type == CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR && name == CUDNN_ATTR_ENGINEHEUR_RESULTS) {
    expect(CUDNN_TYPE_BACKEND_DESCRIPTOR);
    return give_configs(node, wanted, values);
  }
  if (node.type == CUDNN_BACKEND_ENGINECFG_DESCRIPTOR && name == CUDNN_ATTR_ENGINECFG_ENGINE && wanted == 1) {
    expect(CUDNN_TYPE_BACKEND_DESCRIPTOR);
    const NodePointer engine = node_of(*static_cast<cudnnBackendDescriptor_t*>(values), "cudnnBackendGetAttribute");
    require(engine->type == CUDNN_BACKEND_ENGINE_DESCRIPTOR, CUDNN_STATUS_BAD_PARAM_DESCRIPTOR_TYPE,
            "the engine of a configuration goes into an engine");
    engine->engine = node.engine;
    engine->graph = node.graph;
    engine->finalized = true;
    return 1;
  }
  if (node.type == CUDNN_BACKEND_ENGINE_DESCRIPTOR && name == CUDNN_ATTR_ENGINE_GLOBAL_INDEX && wanted == 1) {
    expect(CUDNN_TYPE_INT64);
    *static_cast<int64_t*>(values) = static_cast<int64_t>(node.engine);
    return 1;
  }
  if (node.type == CUDNN_BACKEND_ENGINE_DESCRIPTOR && name == CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE) {
    expect(CUDNN_TYPE_BEHAVIOR_NOTE);
    return 0;  // nothing here is compiled
  }
  if (node.type == CUDNN_BACKEND_ENGINE_DESCRIPTOR && name == CUDNN_ATTR_ENGINE_NUMERICAL_NOTE) {
    expect(CUDNN_TYPE_NUMERICAL_NOTE);
    const auto found = notes(node.engine);
    const int64_t given = std::min<int64_t>(wanted, static_cast<int64_t>(found.size()));
    std::copy_n(found.begin(), given, static_cast<cudnnBackendNumericalNote_t*>(values));
    return static_cast<int64_t>(found.size());
  }
  if (node.type == CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR && name == CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE &&
      wanted == 1) {
    expect(CUDNN_TYPE_INT64);
    const Node& config = *node.node(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG);
    *static_cast<int64_t*>(values) = workspace(config.engine, read_pattern(*config.graph));
    return 1;
  }
  if (node.type == CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR && name == CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION) {
    expect(CUDNN_TYPE_CHAR);
    const Node& config = *node.node(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG);
    require(config.engine != kFallback, CUDNN_STATUS_NOT_SUPPORTED, "plans of this engine cannot be written down");
    const std::string text = text_of_config(config);
    if (wanted > 0)
      std::copy_n(text.begin(), std::min(text.size(), static_cast<size_t>(wanted)), static_cast<char*>(values));
    return static_cast<int64_t>(text.size());
  }
  refuse(CUDNN_STATUS_BAD_PARAM, "attribute {} of a descriptor of type {} is not read like this",
         static_cast<int>(name), static_cast<int>(node.type));
}

}  // namespace
}  // namespace bevgrad::emulation::cudnn

using namespace bevgrad::emulation;
using namespace bevgrad::emulation::cudnn;

size_t cudnnGetVersion() {
  return CUDNN_VERSION;
}

size_t cudnnGetCudartVersion() {
  return CUDART_VERSION;
}

const char* cudnnGetErrorString(cudnnStatus_t status) {
  switch (static_cast<int>(status) / 1000) {
    case 0:
      return "CUDNN_STATUS_SUCCESS";
    case 1:
      return "CUDNN_STATUS_NOT_INITIALIZED";
    case 2:
      return "CUDNN_STATUS_BAD_PARAM";
    case 3:
      return "CUDNN_STATUS_NOT_SUPPORTED";
    default:
      return "CUDNN_STATUS_EXECUTION_FAILED";
  }
}

void cudnnGetLastErrorString(char* message, size_t max_size) {
  const size_t length = std::min(last_error.size(), max_size - 1);
  std::copy_n(last_error.begin(), length, message);
  message[length] = '\0';
}

cudnnStatus_t cudnnCreate(cudnnHandle_t* handle) {
  return guarded("cudnnCreate", [&] {
    int device = -1;
    require(cudaGetDevice(&device) == cudaSuccess, CUDNN_STATUS_NOT_INITIALIZED, "there is no device");
    auto context = std::make_shared<cudnnContext>();
    context->device = device;
    std::lock_guard lock(registry().mutex);
    registry().handles.emplace(*handle = context.get(), context);
  });
}

cudnnStatus_t cudnnDestroy(cudnnHandle_t handle) {
  handle_of(handle, "cudnnDestroy");
  std::lock_guard lock(registry().mutex);
  registry().handles.erase(handle);
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream) {
  return guarded("cudnnSetStream", [&] {
    const auto context = handle_of(handle, "cudnnSetStream");
    require(stream == nullptr || device_of(stream) == context->device, CUDNN_STATUS_BAD_PARAM_STREAM_MISMATCH,
            "the stream is of another device than the handle");
    context->stream = stream;
  });
}

cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type, cudnnBackendDescriptor_t* descriptor) {
  auto node = std::make_shared<Node>();
  node->type = type;
  std::lock_guard lock(registry().mutex);
  registry().nodes.emplace(*descriptor = node.get(), node);
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t descriptor) {
  const NodePointer node = node_of(descriptor, "cudnnBackendDestroyDescriptor");
  std::lock_guard lock(registry().mutex);
  registry().nodes.erase(descriptor);
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t count, const void* values) {
  const NodePointer node = node_of(descriptor, "cudnnBackendSetAttribute");
  return guarded("cudnnBackendSetAttribute", [&] { set_attribute(*node, name, type, count, values); });
}

cudnnStatus_t cudnnBackendGetAttribute(cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t wanted, int64_t* count, void* values) {
  const NodePointer node = node_of(descriptor, "cudnnBackendGetAttribute");
  return guarded("cudnnBackendGetAttribute", [&] { *count = get_attribute(*node, name, type, wanted, values); });
}

cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t descriptor) {
  const NodePointer node = node_of(descriptor, "cudnnBackendFinalize");
  return guarded("cudnnBackendFinalize", [&] { finalize(*node); });
}

cudnnStatus_t cudnnBackendExecute(cudnnHandle_t handle, cudnnBackendDescriptor_t plan, cudnnBackendDescriptor_t pack) {
  const auto context = handle_of(handle, "cudnnBackendExecute");
  const NodePointer what = node_of(plan, "cudnnBackendExecute"), operands = node_of(pack, "cudnnBackendExecute");
  {
    std::lock_guard lock(registry().mutex);
    if (std::exchange(context->busy, true)) fault("cudnnBackendExecute: two threads use one handle at once");
  }
  const cudnnStatus_t status = guarded("cudnnBackendExecute", [&] {
    require(what->type == CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR && what->finalized &&
                operands->type == CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR && operands->finalized,
            CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED, "a finalised plan and a finalised pack are run");
    // The library's plans are safe with the handle that they were made with, and so with one thread.
    if (what->one<cudnnHandle_t>(CUDNN_ATTR_EXECUTION_PLAN_HANDLE) != handle)
      fault("cudnnBackendExecute: the plan was made with another handle");
    execute(*context, *what, *operands);
  });
  std::lock_guard lock(registry().mutex);
  context->busy = false;
  return status;
}
