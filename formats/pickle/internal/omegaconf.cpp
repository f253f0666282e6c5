#include "pickle/internal/omegaconf.h"

#include <array>
#include <unordered_map>

namespace bevgrad {

namespace {

constexpr int kMaximumOmegaHops = 4;

/// The entry of a container's state that holds what the container stands for, or null where it is none.
const char* content_key(std::string_view type) {
  static constexpr std::array<std::string_view, 3> kBoxes{
      "omegaconf.dictconfig.DictConfig", "omegaconf.listconfig.ListConfig", "omegaconf.nodes.UnionNode"};
  static constexpr std::array<std::string_view, 9> kValues{
      "omegaconf.nodes.AnyNode",   "omegaconf.nodes.StringNode", "omegaconf.nodes.IntegerNode",
      "omegaconf.nodes.FloatNode", "omegaconf.nodes.EnumNode",   "omegaconf.nodes.BooleanNode",
      "omegaconf.nodes.BytesNode", "omegaconf.nodes.PathNode",   "omegaconf.nodes.InterpolationResultNode"};
  for (const std::string_view box : kBoxes) {
    if (type == box) return "_content";
  }
  for (const std::string_view value : kValues) {
    if (type == value) return "_val";
  }
  return nullptr;
}

using Contents = std::unordered_map<NodeId, NodeId>;

/// What each container stands for; a value node of a value node is followed, a longer chain is nobody's.
Contents find_contents(const Document& document) {
  Contents direct;
  for (NodeId id = 0; id < document.size(); ++id) {
    const Node& object = document.node(id);
    if (object.kind != ValueKind::Object || !object.object || object.object->states.size() != 1) continue;
    if (document.node(object.items[0]).kind != ValueKind::Global) continue;
    const char* key = content_key(document.node(object.items[0]).text);
    if (key == nullptr) continue;
    if (const auto content = document.find(object.object->states[0], key)) direct.emplace(id, *content);
  }
  Contents out;
  for (const auto& [from, to] : direct) {
    NodeId end = to;
    for (int hops = 0; hops < kMaximumOmegaHops; ++hops) {
      const auto next = direct.find(end);
      if (next == direct.end()) break;
      end = next->second;
    }
    if (!direct.contains(end)) out.emplace(from, end);
  }
  return out;
}

}  // namespace

void resolve_omegaconf(Document& document) {
  const Contents contents = find_contents(document);
  if (contents.empty()) return;
  const auto replace = [&](std::vector<NodeId>& ids) {
    for (NodeId& id : ids) {
      if (const auto found = contents.find(id); found != contents.end()) id = found->second;
    }
  };
  for (NodeId id = 0; id < document.size(); ++id) {
    Node& node = document.node(id);
    replace(node.items);
    if (!node.object) continue;
    replace(node.object->states);
    replace(node.object->elements);
    replace(node.object->entries);
  }
  if (const auto root = contents.find(document.root); root != contents.end()) document.root = root->second;
}

}  // namespace bevgrad
