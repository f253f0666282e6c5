// Checkpoints whose tensors were cut across files by a training framework, put together again.
#pragma once
#include <optional>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

#include "formats/state_dict.h"

namespace bevgrad {

/// Rules `PATTERN -> HOW`, one a line, tried in order; the first whose pattern is found in a name counts (ECMAScript's
/// regular expressions). HOW is one of
///   cat AXIS         one part behind the other along an axis
///   cat AXIS of N    every part is N tensors behind one another, as gated layers are: the first ones, then the second,
///   ... same             all parts are equal, which is checked first            the first part's, whatever the others
///   are
/// Names that no rule matches are taken for `same`. '#' begins a comment.
class JoinRules {
 public:
  /// Throws UsageError naming `source` and the line.
  static JoinRules parse(std::string_view text, const std::string& source);
  /// A file, or "megatron".
  static JoinRules load(const std::string& file_or_name);

  struct How {
    bool concatenate = false;
    bool check_equal = true;
    size_t axis = 0;
    int64_t of = 1;
  };
  How of(const std::string& name) const;

 private:
  struct Rule {
    std::regex pattern;
    How how;
  };
  std::vector<Rule> rules_;
};

/// The parts of a model that was cut by tensors, in the order of their ranks: the first one's structure, its parameters
/// joined. Throws Error naming file and parameter where the parts do not fit.
CheckpointFile join_checkpoints(std::vector<CheckpointFile> parts, const JoinRules& rules);

/// Shards of FSDP's flat parameters, in the order of their ranks, each with "shard_metadata" that says which parameters
/// lie one behind the other in them (fairscale, fairseq). The result's root is a dictionary of the parameters.
CheckpointFile join_flat_parameters(std::vector<CheckpointFile> shards);

/// The files of a folder of Megatron's (`mp_rank_00/...`, `mp_rank_01/...`), by rank; a file by itself is itself.
/// Throws UsageError for a folder that is something else.
std::vector<std::string> tensor_parallel_parts(const std::string& path);

}  // namespace bevgrad
