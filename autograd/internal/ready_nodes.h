// The order of a backward pass. Private to autograd/.
#pragma once
#include <queue>
#include <unordered_map>

#include "internal/visit_edges.h"

namespace bevgrad::tape {

// Where the tape of a stretch's second run (Node::again) ends.
struct Ends {
  // With the number of edges that lead there; `before`: what is older than the stretch.
  std::unordered_map<Meta*, int64_t> leaves;
  std::unordered_map<const Node*, int64_t> before, within;

  Ends(const Edge& root, uint64_t stretch) {
    std::vector<const Node*> pending;
    const auto follow = [&](const Edge& edge) {
      if (edge.leaf) {
        ++leaves[edge.leaf.get()];
      } else if (edge.node && edge.node->sequence < stretch) {
        ++before[edge.node.get()];
      } else if (edge.node && ++within[edge.node.get()] == 1) {
        pending.push_back(edge.node.get());
      }
    };
    follow(root);
    while (!pending.empty()) {
      const Node* node = pending.back();
      pending.pop_back();
      for (const Edge& edge : node->inputs) follow(edge);
    }
  }
};

// Nodes whose gradient is complete, the one that was recorded last first.
class ReadyNodes {
 public:
  /// Where rules may be late, a node that has gradients may still wait for one of theirs: they are counted.
  ReadyNodes(const std::shared_ptr<Node>& root, bool counts) : counts_(counts) {
    if (!counts) return;
    visit_edges(root, [this](const Edge& edge, const Node&) {
      if (edge.node) ++missing_[edge.node.get()];
    });
  }
  /// A stretch has been computed again: its tape's edges count from now on.
  void add(const Ends& ends) {
    if (!counts_) return;
    for (const auto& [node, count] : ends.before) missing_[node] += count;
    for (const auto& [node, count] : ends.within) missing_[node] += count;
  }
  bool empty() const { return queue_.empty(); }
  void push(std::shared_ptr<Node> node) { queue_.push(std::move(node)); }
  /// A gradient has come to the node, its first or another one.
  void arrived(const std::shared_ptr<Node>& node, bool is_first) {
    // Every consumer of a node's output was recorded later than the node, so taking the highest number first is a
    // topological order, and the same one each time.
    if (counts_ ? --missing_.at(node.get()) == 0 : is_first) push(node);
  }
  std::shared_ptr<Node> take() {
    std::shared_ptr<Node> node = queue_.top();
    queue_.pop();
    return node;
  }

 private:
  struct Earlier {
    bool operator()(const std::shared_ptr<Node>& a, const std::shared_ptr<Node>& b) const {
      return a->sequence < b->sequence;
    }
  };
  std::priority_queue<std::shared_ptr<Node>, std::vector<std::shared_ptr<Node>>, Earlier> queue_;
  bool counts_;
  std::unordered_map<const Node*, int64_t> missing_;
};

}  // namespace bevgrad::tape
