// A walk through what is recorded.
#pragma once
#include <memory>
#include <unordered_set>
#include <vector>

#include "internal/node.h"

namespace bevgrad::tape {

// Visits every edge that a pass from `root` reaches, with the node that it leads to.
template <class Visit>
void visit_edges(const std::shared_ptr<Node>& root, Visit visit) {
  std::vector<const Node*> pending = {root.get()};
  std::unordered_set<const Node*> seen = {root.get()};
  while (!pending.empty()) {
    const Node* node = pending.back();
    pending.pop_back();
    for (const Edge& edge : node->inputs) {
      visit(edge, *node);
      if (edge.node && seen.insert(edge.node.get()).second) pending.push_back(edge.node.get());
    }
  }
}

}  // namespace bevgrad::tape
