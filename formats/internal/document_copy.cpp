#include "internal/document_copy.h"

#include <unordered_map>

namespace bevgrad {

NodeId copy_tree(const Document& from, NodeId root, Document& to) {
  std::unordered_map<NodeId, NodeId> copies{{root, to.add({})}};
  std::vector<NodeId> open{root};
  const auto copied = [&](const std::vector<NodeId>& ids) {
    std::vector<NodeId> out;
    for (const NodeId id : ids) {
      const auto [at, added] = copies.try_emplace(id, 0);
      if (added) {
        at->second = to.add({});
        open.push_back(id);
      }
      out.push_back(at->second);
    }
    return out;
  };
  while (!open.empty()) {
    const NodeId id = open.back();
    open.pop_back();
    const Node& node = from.node(id);
    Node copy{.kind = node.kind,
              .resolved = node.resolved,
              .integer = node.integer,
              .real = node.real,
              .text = node.text,
              .items = copied(node.items),
              .position = node.position};
    if (node.object) {
      copy.object = std::make_unique<ObjectParts>();
      copy.object->states = copied(node.object->states);
      copy.object->elements = copied(node.object->elements);
      copy.object->entries = copied(node.object->entries);
    }
    if (node.tensor) copy.tensor = std::make_unique<StoredTensor>(*node.tensor);
    to.node(copies.at(id)) = std::move(copy);
  }
  return copies.at(root);
}

}  // namespace bevgrad
