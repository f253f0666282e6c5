#include "internal/state_dict_node.h"

#include <array>
#include <cstring>
#include <set>
#include <unordered_set>

#include "base/error.h"
#include "base/text.h"
#include "internal/limits.h"
#include "internal/value_text.h"

namespace bevgrad {

namespace {

// Where the parameters lie in a file that holds more than them, in the order in which the keys are looked for.
constexpr std::array<const char*, 10> kStateDictKeys{"state_dict", "model_state_dict", "model_state", "model",   "net",
                                                     "network",    "module",           "params",      "weights", "ema"};

/// torch.save(model): an object whose state has the two tables of nn.Module.
bool is_module(const Document& document, NodeId id) {
  const Node& node = document.node(id);
  if (node.kind != ValueKind::Object || !node.object) return false;
  for (const NodeId state : node.object->states) {
    if (document.is_mapping(state) && document.find(state, "_parameters") && document.find(state, "_modules")) {
      return true;
    }
  }
  return false;
}

bool holds_tensor(const Document& document, NodeId mapping) {
  const auto& entries = document.entries(mapping);
  for (size_t i = 1; i < entries.size(); i += 2) {
    if (document.node(entries[i]).kind == ValueKind::Tensor) return true;
  }
  return false;
}

constexpr size_t kMaximumNames = 4'000'000;

class Collector {
 public:
  explicit Collector(const Document& document) : document_(document), file_(document.source()) {}

  void collect(NodeId mapping, const std::string& prefix, int depth) {
    check(depth <= kMaximumDepth, "{}: '{}' is nested too deeply for parameters", file_, printable(prefix));
    check(++visited_ <= kMaximumNames, "{}: more than {} mappings", file_, kMaximumNames);
    if (!open_.insert(mapping).second) return;
    std::unordered_set<std::string> keys;
    const auto& entries = document_.entries(mapping);
    for (size_t i = 0; i + 1 < entries.size(); i += 2) {
      const bool tensor = document_.node(entries[i + 1]).kind == ValueKind::Tensor;
      if (!tensor && !document_.is_mapping(entries[i + 1])) continue;
      const std::string key = key_text(document_, entries[i]);
      const bool text = document_.node(entries[i]).kind == ValueKind::String;
      const std::string label = prefix + key;
      check(!text || keys.insert(key).second, "{}: '{}' is there twice", file_, printable(label));
      if (tensor) {
        check(out.size() < kMaximumNames, "{}: more than {} tensors", file_, kMaximumNames);
        out.emplace_back(names_.take(label), entries[i + 1]);
      } else {
        collect(entries[i + 1], label + ".", depth + 1);
      }
    }
    open_.erase(mapping);
  }

  std::vector<std::pair<std::string, NodeId>> out;

 private:
  const Document& document_;
  const std::string& file_;
  UniqueNames names_;
  std::set<NodeId> open_;  // the mappings on the way to this one
  size_t visited_ = 0;
};

}  // namespace

std::vector<std::pair<std::string, NodeId>> parameter_nodes(const Document& document, NodeId mapping) {
  Collector collector(document);
  collector.collect(mapping, "", 0);
  return std::move(collector.out);
}

std::optional<NodeId> find_state_dict(const Document& document) {
  const NodeId root = document.root;
  check(!is_module(document, root),
        "{}: a pickled whole module ({}), not a state dict; save model.state_dict() instead", document.source(),
        printable(document.type_name(root)));
  if (!document.is_mapping(root)) return std::nullopt;
  for (const char* key : kStateDictKeys) {
    if (std::strcmp(key, "state_dict") != 0 && holds_tensor(document, root)) break;
    const auto found = document.find(root, key);
    if (!found) continue;
    check(!is_module(document, *found), "{}: '{}' is a pickled whole module ({}), not a state dict", document.source(),
          key, printable(document.type_name(*found)));
    if (document.is_mapping(*found)) return found;
  }
  return root;
}

}  // namespace bevgrad
