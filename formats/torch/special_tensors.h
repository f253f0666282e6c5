// Tensors of PyTorch that are no plain arrays: quantized, sparse and nested ones. They stay calls in the tree; this
// says what such a call is, what it is made of, and which plain tensor has its values.
#pragma once
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "formats/value.h"

namespace bevgrad {

struct SpecialTensor {
  /// "quantized quint8 [3,4], scale 0.1, zero point 3"
  std::string text;
  /// The tensors that it is made of: ("indices", ...), ("values", ...).
  std::vector<std::pair<std::string, NodeId>> parts;
  /// Quantized ones as float32, sparse ones with their zeros. Nothing of nested tensors, which have no one shape, and
  /// where the parts do not fit each other. The values are worked out when they are read.
  std::optional<StoredTensor> plain = {};
};

/// Nothing where a node is something else. Its `plain` may only be read: nothing has been looked at but descriptions.
std::optional<SpecialTensor> special_tensor(const Document& document, NodeId id);

/// Puts plain tensors in the place of special ones in a mapping and the mappings in it, and dictionaries of their parts
/// in the place of those that have none ("x" becomes "x.values", "x.offsets"). Returns "name (what it is)" of each.
std::vector<std::string> make_special_tensors_plain(Document& document, NodeId mapping);

}  // namespace bevgrad
