// Renaming of parameters: prefixes cut, regular expressions, selection.
#pragma once
#include <optional>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

#include "formats/convert/axis_order.h"
#include "formats/state_dict.h"

namespace bevgrad {

/// Rules of the form `PATTERN -> REPLACEMENT`, one a line, tried in order; the first whose pattern is found in a name
/// gives the new name. The patterns are ECMAScript's, the replacement may use $1, $2, ... An empty replacement drops
/// the tensor. {a,b,c} in a replacement gives one copy of the tensor for each. Names that no rule matches stay as they
/// are. '#' begins a comment. `-> REPLACEMENT permute 1,0; 3,2,0,1` also gives tensors of two and of four dimensions
/// their axes in that order (see AxisOrder).
class NameMap {
 public:
  NameMap() = default;
  /// Throws UsageError naming `source` and the line where a rule is broken.
  static NameMap parse(std::string_view text, const std::string& source);
  /// A file, or the name of a ready-made map (see ready_made_maps).
  static NameMap load(const std::string& file_or_name);

  /// Adds another map's rules after these.
  void append(NameMap other);
  /// The new names of one: none where it is dropped. `rule` is told the number of the rule that matched.
  std::vector<std::string> apply(const std::string& name, std::optional<size_t>* rule = nullptr) const;
  /// The tensor with its axes as a rule wants them. Throws Error naming `file` and the tensor where the rule has no
  /// order for its rank.
  StoredTensor permuted(const NamedTensor& tensor, size_t rule, const std::string& file) const;
  bool empty() const { return rules_.empty(); }
  /// What is worth saying of rules that matched no name: those of a file one by one, a ready-made map where none of its
  /// rules matched. `used` has an entry a rule.
  std::vector<std::string> unused(const std::vector<bool>& used) const;
  size_t size() const { return rules_.size(); }

 private:
  struct Rule {
    std::string source;  // "rules.txt: line 3", or the name of a ready-made map
    std::string text;    // of the pattern
    bool ready_made = false;
    std::regex pattern = {};
    std::vector<std::string> replacements = {};
    std::vector<AxisOrder> orders = {};
  };
  std::vector<Rule> rules_;
};

struct ReadyMadeMap {
  const char* name;
  const char* description;
  std::string rules;
};
/// Sorted by what they come from: `bevgrad convert --help` lists the names, docs/file_formats.md what each does.
const std::vector<ReadyMadeMap>& ready_made_maps();

struct NameOptions {
  std::vector<std::string> strip_prefixes;  // each is cut from the names that have it
  NameMap map;
  std::vector<std::string> select;  // wildcards (* and ?); none selects everything

  bool empty() const { return strip_prefixes.empty() && map.empty() && select.empty(); }
};
/// What renaming did, for people.
struct RenameReport {
  /// Of each tensor that is left, what it was called.
  std::vector<std::string> from;
  /// Prefixes, rules and patterns that matched no name, one line each.
  std::vector<std::string> unused;
};
/// The tensors under their new names, in their order. Throws where two names become the same, or nothing is left.
std::vector<NamedTensor> rename_tensors(const std::vector<NamedTensor>& tensors, const NameOptions& options,
                                        const std::string& file, RenameReport* report = nullptr);

}  // namespace bevgrad
