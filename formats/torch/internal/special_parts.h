// What the kinds of special tensors share: the arguments of the calls, and values that are worked out of other tensors.
#pragma once
#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "formats/torch/special_tensors.h"
#include "internal/value_text.h"

namespace bevgrad {

inline constexpr double kLargestIndex = 0x1p62;

/// The arguments of one call.
class CallArguments {
 public:
  CallArguments(const Document& document, NodeId id) : document_(document), items_(nullptr) {
    const Node& node = document.node(id);
    if (node.kind == ValueKind::Object && node.items.size() > 1) items_ = &document.node(node.items[1]).items;
  }
  CallArguments(const Document& document, const std::vector<NodeId>& items) : document_(document), items_(&items) {}

  size_t size() const { return items_ == nullptr ? 0 : items_->size(); }
  NodeId id(size_t i) const { return (*items_)[i]; }
  const Node* node(size_t i) const { return i < size() ? &document_.node(id(i)) : nullptr; }
  /// Null where the argument is no tensor.
  const StoredTensor* tensor(size_t i) const {
    const Node* of = node(i);
    return of != nullptr && of->kind == ValueKind::Tensor ? of->tensor.get() : nullptr;
  }
  /// A tuple of sizes, or torch.Size of one.
  std::optional<Shape> shape(size_t i) const {
    const Node* of = node(i);
    if (of != nullptr && of->kind == ValueKind::Object && document_.type_name(id(i)) == "torch.Size" &&
        of->items.size() > 1 && !document_.node(of->items[1]).items.empty()) {
      of = &document_.node(document_.node(of->items[1]).items[0]);
    }
    if (of == nullptr || (of->kind != ValueKind::Tuple && of->kind != ValueKind::List)) return std::nullopt;
    Shape out;
    for (const NodeId item : of->items) {
      const Node& size = document_.node(item);
      if (size.kind != ValueKind::Int || size.integer < 0) return std::nullopt;
      out.push_back(size.integer);
    }
    return out;
  }
  CallArguments list(size_t i) const {
    static const std::vector<NodeId> kNone;
    const Node* of = node(i);
    return {document_, of != nullptr && of->kind == ValueKind::Tuple ? of->items : kNone};
  }
  std::string text(size_t i) const { return node(i) != nullptr ? value_text(document_, id(i)) : "?"; }

 private:
  const Document& document_;
  const std::vector<NodeId>* items_;
};

/// A contiguous tensor whose values `fill` works out of what lies in `from`; nothing where `sizes` stand for too much
/// beside the `has` bytes that its storage has.
std::optional<StoredTensor> computed_tensor(const Document& document, StoredDType dtype, const Shape& sizes,
                                            const StoredTensor& from, uint64_t has,
                                            std::function<void(std::span<std::byte>)> fill);

/// A tensor's values: as double, or, of indices, as integers.
template <class T>
std::vector<T> values_of(const StoredTensor& tensor) {
  std::vector<T> out;
  out.reserve(static_cast<size_t>(tensor.numel()));
  const size_t step = item_size(tensor.dtype);
  for_each_piece(tensor, [&](std::span<const std::byte> piece) {
    for (size_t i = 0; i < piece.size(); i += step) {
      const double value = to_double(tensor.dtype, &piece[i]);
      if constexpr (std::is_integral_v<T>) {
        out.push_back(static_cast<T>(std::clamp(value, -kLargestIndex, kLargestIndex)));
      } else {
        out.push_back(value);
      }
    }
  });
  return out;
}

/// The kinds; nothing where the arguments are others than PyTorch writes.
std::optional<SpecialTensor> quantized_tensor(const Document& document, const CallArguments& call);
std::optional<SpecialTensor> sparse_tensor(const Document& document, const CallArguments& call);

}  // namespace bevgrad
