// Two checkpoints next to each other by what they hold, without reading values.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "formats/state_dict.h"

namespace bevgrad {

/// Values of the same name; one of the two may be missing.
struct SideBySideRow {
  std::string name;
  std::optional<NodeId> a;
  std::optional<NodeId> b;
  std::string a_text;  // "float32 [2,3]", a number, a text
  std::string b_text;
  /// Of tensors: dtype and shape.
  bool same() const { return a && b && a_text == b_text; }
};

/// Names as in `compare`: those of the first file in its order, then what only the second has.
std::vector<SideBySideRow> side_by_side(const CheckpointFile& a, const CheckpointFile& b);

/// A line a tensor, and a line for each other value that differs: '=', '!', '<' (only in A) or '>'; as JSON a list.
std::string side_by_side_text(const CheckpointFile& a, const CheckpointFile& b, bool json);

}  // namespace bevgrad
