#include "plan_text.h"

#include <sstream>

#include "engines.h"

namespace bevgrad::emulation::cudnn {
namespace {

constexpr const char* kBegin = "emulated-plan";
constexpr int kMostDepth = 8;
constexpr size_t kMostBytes = 1024;

// A node is "TYPE ENGINE VALUES HAS_GRAPH", its values, its graph; a value "NAME TYPE COUNT BYTES NODES", its bytes,
// its nodes. Handles are of a process and are left out.
void write(const Node& node, std::ostream& out) {
  out << node.type << ' ' << node.engine << ' ' << node.values.size() << ' ' << (node.graph ? 1 : 0) << '\n';
  for (const auto& [name, value] : node.values) {
    const bool has_bytes = value.type != CUDNN_TYPE_BACKEND_DESCRIPTOR;
    out << name << ' ' << value.type << ' ' << value.count << ' ' << (has_bytes ? value.bytes.size() : 0) << ' '
        << value.nodes.size();
    for (size_t i = 0; has_bytes && i < value.bytes.size(); ++i)
      out << ' ' << (value.type == CUDNN_TYPE_HANDLE ? 0 : static_cast<int>(value.bytes[i]));
    out << '\n';
    for (const NodePointer& part : value.nodes) write(*part, out);
  }
  if (node.graph) write(*node.graph, out);
}

template <class T>
T number(std::istream& in) {
  long long value = 0;
  require(static_cast<bool>(in >> value), CUDNN_STATUS_BAD_PARAM, "the text of a plan ends, or has no number, at {}",
          static_cast<long long>(in.tellg()));
  return static_cast<T>(value);
}

size_t size(std::istream& in, size_t most) {
  const auto value = number<size_t>(in);
  require(value <= most, CUDNN_STATUS_BAD_PARAM, "the text of a plan has a size of {}", value);
  return value;
}

NodePointer read(std::istream& in, int depth) {
  require(depth < kMostDepth, CUDNN_STATUS_BAD_PARAM, "the text of a plan is too deep");
  auto node = std::make_shared<Node>();
  node->type = number<cudnnBackendDescriptorType_t>(in);
  node->engine = number<int>(in);
  const size_t values = size(in, kMostBytes);
  const bool has_graph = number<int>(in) != 0;
  for (size_t i = 0; i < values; ++i) {
    const auto name = number<cudnnBackendAttributeName_t>(in);
    Value value{number<cudnnBackendAttributeType_t>(in), 0, {}, {}};
    value.count = number<int64_t>(in);
    const size_t bytes = size(in, kMostBytes), nodes = size(in, kMostBytes);
    for (size_t k = 0; k < bytes; ++k) value.bytes.push_back(number<unsigned char>(in));
    for (size_t k = 0; k < nodes; ++k) value.nodes.push_back(read(in, depth + 1));
    check_attribute(*node, name, value.type, value.count);
    require(value.type == CUDNN_TYPE_BACKEND_DESCRIPTOR
                ? nodes == static_cast<size_t>(value.count)
                : bytes == static_cast<size_t>(value.count) * size_of(value.type),
            CUDNN_STATUS_BAD_PARAM, "attribute {} of the text of a plan has another size", static_cast<int>(name));
    node->values[name] = std::move(value);
  }
  if (has_graph) node->graph = read(in, depth + 1);
  if (node->type != CUDNN_BACKEND_ENGINECFG_DESCRIPTOR) check_complete(*node);
  node->finalized = true;
  return node;
}

}  // namespace

std::string text_of_config(const Node& config) {
  std::ostringstream out;
  out << kBegin << ' ';
  write(config, out);
  return out.str();
}

NodePointer config_of_text(const std::string& text) {
  std::istringstream in(text);
  std::string begin;
  in >> begin;
  require(begin == kBegin, CUDNN_STATUS_BAD_PARAM, "not the text of a plan");
  NodePointer config = read(in, 0);
  require(config->type == CUDNN_BACKEND_ENGINECFG_DESCRIPTOR && config->graph &&
              config->graph->type == CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR && config->engine >= 0 &&
              config->engine < kEngines,
          CUDNN_STATUS_BAD_PARAM, "the text of a plan holds none");
  return config;
}

}  // namespace bevgrad::emulation::cudnn
