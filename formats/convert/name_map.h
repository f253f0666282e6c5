// Renaming of parameters: prefixes cut, regular expressions, selection.
#pragma once
#include <regex>
#include <string>
#include <string_view>
#include <vector>

#include "formats/state_dict.h"

namespace bevgrad {

/// Rules of the form `PATTERN -> REPLACEMENT`, one a line, tried in order; the first whose pattern is found in a name
/// gives the new name. The patterns are ECMAScript's, the replacement may use $1, $2, ... An empty replacement drops
/// the tensor. {a,b,c} in a replacement gives one copy of the tensor for each. Names that no rule matches stay as they
/// are. '#' begins a comment.
class NameMap {
 public:
  NameMap() = default;
  /// Throws UsageError naming `source` and the line where a rule is broken.
  static NameMap parse(std::string_view text, const std::string& source);
  /// A file, or the name of a ready-made map (see ready_made_maps).
  static NameMap load(const std::string& file_or_name);

  /// Adds another map's rules after these.
  void append(NameMap other);
  /// The new names of one: none where it is dropped.
  std::vector<std::string> apply(const std::string& name) const;
  bool empty() const { return rules_.empty(); }

 private:
  struct Rule {
    std::regex pattern;
    std::vector<std::string> replacements;
  };
  std::vector<Rule> rules_;
};

struct ReadyMadeMap {
  const char* name;
  const char* description;
  const char* rules;
};
/// torchvision-resnet34, mmdet-fpn, mmdet3d.
const std::vector<ReadyMadeMap>& ready_made_maps();

struct NameOptions {
  std::vector<std::string> strip_prefixes;  // each is cut from the names that have it
  NameMap map;
  std::vector<std::string> select;  // wildcards (* and ?); none selects everything

  bool empty() const { return strip_prefixes.empty() && map.empty() && select.empty(); }
};
/// The tensors under their new names, in their order. Throws where two names become the same, or nothing is left.
std::vector<NamedTensor> rename_tensors(const std::vector<NamedTensor>& tensors, const NameOptions& options,
                                        const std::string& file);

}  // namespace bevgrad
