#include "formats/convert/name_tree.h"

#include <memory>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/text.h"
#include "convert/internal/leaves.h"
#include "convert/internal/tensor_totals.h"

namespace bevgrad {

namespace {

constexpr size_t kMaximumBranchDepth = 64;
constexpr size_t kBranchLabelWidth = 200;

struct Branch {
  std::vector<std::pair<std::string, std::unique_ptr<Branch>>> children;
  std::unordered_map<std::string, size_t> index;
  const StoredTensor* tensor = nullptr;
  uint64_t tensors = 0;
  uint64_t values = 0;
  uint64_t bytes = 0;

  Branch& child(const std::string& label) {
    const auto [at, added] = index.try_emplace(label, children.size());
    if (added) children.emplace_back(label, std::make_unique<Branch>());
    return *children[at->second].second;
  }
};

void add(Branch& root, std::string_view name, const StoredTensor& tensor) {
  Branch* at = &root;
  for (size_t level = 0;; ++level) {
    ++at->tensors;
    at->values += static_cast<uint64_t>(tensor.numel());
    at->bytes += tensor.nbytes();
    if (name.empty()) break;
    const size_t dot = level + 1 < kMaximumBranchDepth ? name.find('.') : std::string_view::npos;
    at = &at->child(std::string(name.substr(0, dot)));
    name = dot == std::string_view::npos ? std::string_view() : name.substr(dot + 1);
  }
  at->tensor = &tensor;
}

void print(const Branch& branch, const std::string& label, size_t level, size_t depth, std::string& out) {
  out += std::string(2 * level, ' ') + printable(label, kBranchLabelWidth);
  if (branch.children.empty() && branch.tensor != nullptr) {
    out += fmt::format("  {}  {}\n", describe(*branch.tensor), bytes_text(branch.bytes));
    return;
  }
  out += fmt::format("  {} tensors, {} values, {}\n", branch.tensors, branch.values, bytes_text(branch.bytes));
  if (depth != 0 && level >= depth) return;
  for (const auto& [name, child] : branch.children) print(*child, name, level + 1, depth, out);
}

}  // namespace

std::string name_tree(const CheckpointFile& file, size_t depth) {
  Branch root;
  for (const Leaf& leaf : leaves_of(file)) {
    const Node& node = file.document->node(leaf.id);
    if (node.kind == ValueKind::Tensor) add(root, leaf.name, *node.tensor);
  }
  std::string out;
  print(root, file.path, 0, depth, out);
  return out;
}

}  // namespace bevgrad
