// What the attribute task takes from a config: tasks.attributes.
#pragma once
#include <string>
#include <vector>

#include "configs/judge.h"
#include "data/label_schema.h"

namespace bevgrad {

/// Kinds of attributes, of boxes or of lane marks, and the classes of these.
struct AttributeSet {
  std::vector<AttributeKind> kinds;
  std::vector<double> weights;  ///< of the losses, one a kind
  std::vector<std::string> classes;

  /// Channels of a map of them: the values of the kinds, one after another.
  int64_t scores() const;
  /// Whether a kind is said of a class.
  bool is_said_of(size_t kind, int class_id) const;
};

struct AttributeHeadOptions {
  int64_t channels = 64;
  int64_t box_scores = 0, lane_scores = 0;  ///< 0: no such map
};

AttributeSet box_attributes(const config::Config& proto);
AttributeSet lane_attributes(const config::Config& proto);
AttributeHeadOptions attribute_head_options(const config::Config& proto);

/// Of TaskKind.
void judge_attributes(const configs::Judge& judge, const config::Config& proto);

}  // namespace bevgrad
