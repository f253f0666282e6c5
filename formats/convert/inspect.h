// What is in a checkpoint, for people and for programs.
#pragma once
#include <string>
#include <vector>

#include "formats/pickle/trust.h"
#include "formats/state_dict.h"

namespace bevgrad {

struct InspectOptions {
  bool json = false;
  /// Minimum, maximum, mean, standard deviation, NaN and infinity counts of every tensor: reads all values.
  bool stats = false;
};

/// A tree of the structure with name, shape, dtype, bytes, storage and offset of every tensor, and totals; as JSON one
/// object with `format`, `tensors`, `totals` and `metadata`. Without `stats` no tensor data is read.
std::string inspect_checkpoint(const CheckpointFile& file, const InspectOptions& options);

/// What a file's pickle would have imported and called, with a judgement of each name.
std::string globals_text(const std::string& path, const std::vector<GlobalUse>& globals, bool json);

}  // namespace bevgrad
