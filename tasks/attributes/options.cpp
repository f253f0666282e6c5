#include "tasks/attributes/options.h"

#include <algorithm>
#include <set>

#include "base/full_size.h"
#include "base/near_names.h"
#include "evaluation/attributes.h"

namespace bevgrad {
namespace {

constexpr int kMostValues = 64;

using Kinds = google::protobuf::RepeatedPtrField<config::AttributeKind>;
using Names = google::protobuf::RepeatedPtrField<std::string>;

const Names& box_classes(const config::Network& network) {
  return network.dynamic_head().classes();
}
const Names& lane_classes(const config::Network& network) {
  return network.static_head().lane_classes();
}

bool is_among(const std::string& name, const Names& classes) {
  return std::ranges::find(classes, name) != classes.end();
}

/// Without kinds that are said of none of the classes.
AttributeSet attribute_set(const Kinds& kinds, const Names& classes) {
  AttributeSet set;
  set.classes.assign(classes.begin(), classes.end());
  for (const config::AttributeKind& kind : kinds) {
    const bool is_said = kind.classes().empty() || std::ranges::any_of(kind.classes(), [&](const std::string& name) {
                           return is_among(name, classes);
                         });
    if (!is_said) continue;
    set.kinds.push_back(
        {kind.name(), {kind.values().begin(), kind.values().end()}, {kind.classes().begin(), kind.classes().end()}});
    set.weights.push_back(kind.weight());
  }
  return set;
}

/// Classes of the full-size system may stand in a kind's list, as they do by default, though the config has others.
bool is_usual(const std::string& name) {
  const auto is_name = [&](const char* usual) { return name == usual; };
  return std::ranges::any_of(full_size::kDynamicClasses, is_name) ||
         std::ranges::any_of(full_size::kLaneClasses, is_name);
}

void judge_kinds(const configs::Judge& judge, const std::string& field, const Kinds& kinds, const Names& classes) {
  const std::vector<std::string> known(classes.begin(), classes.end());
  std::set<std::string> names;
  for (int k = 0; k < kinds.size(); ++k) {
    const config::AttributeKind& kind = kinds[k];
    const std::string at = fmt::format("{}[{}].", field, k);
    judge.require(!kind.name().empty(), at + "name", "the name is empty");
    judge.require(names.insert(kind.name()).second, at + "name", "\"{}\" is there twice", kind.name());
    judge.names(at + "values", kind.values());
    judge.require(kind.values_size() >= 2 && kind.values_size() <= kMostValues, at + "values",
                  "{} values, expected 2 to {}", kind.values_size(), kMostValues);
    judge.not_negative(at + "weight", kind.weight());
    for (int c = 0; c < kind.classes_size(); ++c)
      judge.require(is_among(kind.classes(c), classes) || is_usual(kind.classes(c)),
                    fmt::format("{}classes[{}]", at, c), "\"{}\" is none of the classes{}", kind.classes(c),
                    did_you_mean(kind.classes(c), known));
  }
}

}  // namespace

int64_t AttributeSet::scores() const {
  int64_t scores = 0;
  for (const AttributeKind& kind : kinds) scores += std::ssize(kind.values);
  return scores;
}

bool AttributeSet::is_said_of(size_t kind, int class_id) const {
  return class_id >= 0 && static_cast<size_t>(class_id) < classes.size() &&
         bevgrad::is_said_of(kinds[kind], classes[static_cast<size_t>(class_id)]);
}

AttributeSet box_attributes(const config::Config& proto) {
  return attribute_set(proto.tasks().attributes().boxes(), box_classes(proto.network()));
}

AttributeSet lane_attributes(const config::Config& proto) {
  return attribute_set(proto.tasks().attributes().lanes(), lane_classes(proto.network()));
}

AttributeHeadOptions attribute_head_options(const config::Config& proto) {
  return {.channels = proto.tasks().attributes().channels(),
          .box_scores = box_attributes(proto).scores(),
          .lane_scores = lane_attributes(proto).scores()};
}

void judge_attributes(const configs::Judge& judge, const config::Config& proto) {
  const config::AttributeTask& task = proto.tasks().attributes();
  const std::string at = "tasks.attributes.";
  judge.not_negative(at + "weight", task.weight());
  judge.count(at + "channels", task.channels(), 1, 4096);
  judge_kinds(judge, at + "boxes", task.boxes(), box_classes(proto.network()));
  judge_kinds(judge, at + "lanes", task.lanes(), lane_classes(proto.network()));
  judge.require(!proto.tasks().attribute_task() || box_attributes(proto).scores() + lane_attributes(proto).scores() > 0,
                at + "boxes", "none of the kinds is said of a class of the config");
}

}  // namespace bevgrad
