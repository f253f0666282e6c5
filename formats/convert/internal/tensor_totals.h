// What the listings of a checkpoint share: numbers for its storages, and totals.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>

#include "formats/reachable.h"
#include "formats/value.h"

namespace bevgrad {

class TensorTotals {
 public:
  explicit TensorTotals(const Document& document) {
    for (const NodeId id : reachable_nodes(document)) {
      const Node& node = document.node(id);
      if (node.kind == ValueKind::Tensor) ++users_[identity(*node.tensor->storage)];
    }
  }

  /// Counts a tensor and returns its storage's number.
  size_t add(const StoredTensor& tensor) {
    ++tensors;
    values += static_cast<uint64_t>(tensor.numel());
    ++by_dtype[std::string(name(tensor.dtype))];
    const auto [at, added] = numbers_.try_emplace(identity(*tensor.storage), numbers_.size());
    if (added) bytes += tensor.storage->bytes();
    return at->second;
  }
  /// How many tensors of the document lie in its storage.
  int users(const StoredTensor& tensor) const { return users_.at(identity(*tensor.storage)); }
  size_t storages() const { return numbers_.size(); }

  uint64_t tensors = 0;
  uint64_t values = 0;
  uint64_t bytes = 0;  // of the storages
  std::map<std::string, uint64_t> by_dtype;

 private:
  std::unordered_map<const void*, size_t> numbers_;
  std::unordered_map<const void*, int> users_;
};

/// "512 B", "1.5 kB", "438.0 MB"
std::string bytes_text(uint64_t bytes);
/// A number; "nan", "inf" and "-inf" as texts, for JSON has no such numbers.
std::string number_json(double value);

}  // namespace bevgrad
