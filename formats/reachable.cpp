#include "formats/reachable.h"

namespace bevgrad {

std::vector<NodeId> reachable_nodes(const Document& document) {
  std::vector<NodeId> out;
  std::vector<bool> seen(document.size(), false);
  std::vector<NodeId> open{document.metadata, document.root};
  while (!open.empty()) {
    const NodeId id = open.back();
    open.pop_back();
    if (seen[id]) continue;
    seen[id] = true;
    out.push_back(id);
    const Node& node = document.node(id);
    if (node.object) {
      for (const auto* part : {&node.object->entries, &node.object->elements, &node.object->states}) {
        open.insert(open.end(), part->rbegin(), part->rend());
      }
    }
    open.insert(open.end(), node.items.rbegin(), node.items.rend());
  }
  return out;
}

}  // namespace bevgrad
