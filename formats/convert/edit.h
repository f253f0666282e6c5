// Small changes to a whole checkpoint: entries dropped and called otherwise, everything else as it was.
#pragma once
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "formats/state_dict.h"

namespace bevgrad {

struct EditOptions {
  /// Patterns of * and ? for places as `inspect` shows them ("optimizer_states", "state_dict.head.*").
  std::vector<std::string> drop = {};
  /// A place, and what it is to be: the same place but for its last key ("state_dict.fc.weight",
  /// "state_dict.head.weight").
  std::vector<std::pair<std::string, std::string>> rename = {};
};

/// An entry of a dictionary that was dropped, or renamed `to`.
struct EditedEntry {
  NodeId parent = 0;
  std::vector<std::string> parents;  // keys on the way to the dictionary
  std::string key;
  std::optional<std::string> to = {};
};

struct EditReport {
  std::vector<EditedEntry> entries;
  std::vector<std::string> dropped;
  std::vector<std::string> renamed;  // "old -> new"
  /// Of the options, what no place matched.
  std::vector<std::string> unused;
};

/// Changes the entries of the document's dictionaries. A place is the keys on the way to it, joined with dots. Throws
/// Error, naming the file, where a new key is there already.
EditReport edit_checkpoint(CheckpointFile& file, const EditOptions& options);

}  // namespace bevgrad
