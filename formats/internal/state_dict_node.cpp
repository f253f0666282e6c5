#include "internal/state_dict_node.h"

#include <array>
#include <cstring>

#include "base/error.h"
#include "base/text.h"
#include "pickle/internal/numbers.h"

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

}  // namespace

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
