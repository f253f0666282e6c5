// What an opaque descriptor holds.
#pragma once
#include <cudnn.h>

#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>

struct cudnnContext {
  int device = 0;
  cudaStream_t stream = nullptr;
  bool busy = false;
};

namespace bevgrad::emulation::cudnn {

struct Node;
using NodePointer = std::shared_ptr<Node>;

struct Value {
  cudnnBackendAttributeType_t type;
  int64_t count = 0;
  std::vector<unsigned char> bytes;
  std::vector<NodePointer> nodes;  // of CUDNN_TYPE_BACKEND_DESCRIPTOR
};

/// A failed rule: what the library would return, and why.
struct Refusal {
  cudnnStatus_t status;
  std::string reason;
};

template <class... Arguments>
[[noreturn]] void refuse(cudnnStatus_t status, fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  throw Refusal{status, fmt::format(format, std::forward<Arguments>(arguments)...)};
}

template <class... Arguments>
void require(bool holds, cudnnStatus_t status, fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  if (!holds) throw Refusal{status, fmt::format(format, std::forward<Arguments>(arguments)...)};
}

struct Node {
  cudnnBackendDescriptorType_t type;
  bool finalized = false;
  std::map<cudnnBackendAttributeName_t, Value> values;
  int engine = -1;  // of an engine and an engine configuration
  NodePointer graph;

  bool has(cudnnBackendAttributeName_t name) const { return values.count(name) > 0; }
  template <class T>
  std::vector<T> list(cudnnBackendAttributeName_t name) const {
    const Value& value = values.at(name);
    std::vector<T> result(static_cast<size_t>(value.count));
    std::memcpy(result.data(), value.bytes.data(), value.bytes.size());
    return result;
  }
  template <class T>
  T one(cudnnBackendAttributeName_t name) const {
    T result;
    std::memcpy(&result, values.at(name).bytes.data(), sizeof result);
    return result;
  }
  const NodePointer& node(cudnnBackendAttributeName_t name) const { return values.at(name).nodes.at(0); }
};

/// Which attributes a descriptor has: checks one that is set, and that none is missing when it is finalised.
void check_attribute(const Node& node, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                     int64_t count);
void check_complete(const Node& node);
size_t size_of(cudnnBackendAttributeType_t type);
size_t size_of(cudnnDataType_t type);

/// Checks what the attributes say together, per type of descriptor.
void check_consistency(const Node& node);

}  // namespace bevgrad::emulation::cudnn
