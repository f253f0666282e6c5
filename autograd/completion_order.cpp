// In which order a backward pass completes gradients.
#include <algorithm>
#include <numeric>
#include <unordered_map>

#include "autograd/gradient_hook.h"
#include "internal/visit_edges.h"

namespace bevgrad {

using tape::Edge;
using tape::Meta;
using tape::meta_of;
using tape::Node;
using tape::visit_edges;

CompletionOrder completion_order(const Tensor& output, const std::vector<Tensor>& leaves) {
  // A gradient is complete when the earliest recorded of its consumers has run back.
  std::unordered_map<const Meta*, uint64_t> earliest;
  if (const auto root = meta_of(output); root && root->node) {
    visit_edges(root->node, [&earliest](const Edge& edge, const Node& node) {
      if (!edge.leaf) return;
      const auto [entry, is_new] = earliest.try_emplace(edge.leaf.get(), node.sequence);
      if (!is_new) entry->second = std::min(entry->second, node.sequence);
    });
  }
  CompletionOrder result;
  result.order.resize(leaves.size());
  std::iota(result.order.begin(), result.order.end(), size_t{0});
  std::vector<uint64_t> keys;
  for (const Tensor& leaf : leaves) {
    const auto found = earliest.find(meta_of(leaf).get());
    keys.push_back(found == earliest.end() ? UINT64_MAX : found->second);
    result.unreached += found == earliest.end();
  }
  std::stable_sort(result.order.begin(), result.order.end(), [&](size_t a, size_t b) { return keys[a] > keys[b]; });
  return result;
}

}  // namespace bevgrad
