#include "data/check/classes.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "base/near_names.h"
#include "base/text.h"

namespace bevgrad {

namespace {

/// Names of classes that a record may have: whoever writes more writes something else there.
constexpr size_t kMostNames = 2000;

template <class Schema>
auto& pick(Schema& schema, ClassKind kind) {
  switch (kind) {
    case ClassKind::Lane:
      return schema.lane_classes;
    case ClassKind::Road:
      return schema.road_classes;
    case ClassKind::Instance:
      return schema.instance_classes;
    case ClassKind::Dynamic:
      break;
  }
  return schema.dynamic_classes;
}

void count_raster(const Tensor& raster, const std::vector<std::string>& names,
                  std::map<std::string, ClassCount>& counts, std::set<int>& seen) {
  if (!raster.defined()) return;
  const int64_t cells = raster.size(1) * raster.size(2);
  for (size_t i = 0; i < names.size(); ++i) {
    const uint8_t* layer = raster.data<const uint8_t>() + static_cast<int64_t>(i) * cells;
    if (counts.contains(names[i]) && std::find(layer, layer + cells, 1) != layer + cells)
      seen.insert(static_cast<int>(i));
  }
}

template <class Items>
void count_items(const Items& items, const std::vector<std::string>& names, std::map<std::string, ClassCount>& counts,
                 std::set<int>& seen) {
  for (const auto& item : items) {
    ++counts[names[static_cast<size_t>(item.class_id)]].items;
    seen.insert(item.class_id);
  }
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

}  // namespace

const char* name(ClassKind kind) {
  constexpr const char* kNames[] = {"lane", "road", "instance", "dynamic"};
  return kNames[static_cast<size_t>(kind)];
}

const std::vector<std::string>& classes_of(const LabelSchema& schema, ClassKind kind) {
  return pick(schema, kind);
}

std::vector<std::string>& classes_of(LabelSchema& schema, ClassKind kind) {
  return pick(schema, kind);
}

const google::protobuf::RepeatedPtrField<std::string>& classes_of(const records::Labels& labels, ClassKind kind) {
  switch (kind) {
    case ClassKind::Lane:
      return labels.lane_classes();
    case ClassKind::Road:
      return labels.road_classes();
    case ClassKind::Instance:
      return labels.instance_classes();
    case ClassKind::Dynamic:
      break;
  }
  return labels.dynamic_classes();
}

void ClassTally::look_at(const records::Labels& stored, const Labels& labels) {
  ++records_;
  for (const ClassKind kind : kClassKinds) {
    auto& counts = counts_[static_cast<size_t>(kind)];
    for (const std::string& name : classes_of(stored, kind))
      if (counts.size() < kMostNames || counts.contains(name)) ++counts[name].named;
    const std::vector<std::string>& names = classes_of(schema_, kind);
    std::set<int> seen;
    switch (kind) {
      case ClassKind::Lane:
        count_raster(labels.lane, names, counts, seen);
        count_items(labels.lane_shapes, names, counts, seen);
        break;
      case ClassKind::Road:
        count_raster(labels.road, names, counts, seen);
        count_items(labels.road_shapes, names, counts, seen);
        break;
      case ClassKind::Instance:
        count_items(labels.instances, names, counts, seen);
        break;
      case ClassKind::Dynamic:
        count_items(labels.boxes, names, counts, seen);
    }
    for (const int id : seen) ++counts[names[static_cast<size_t>(id)]].frames;
  }
}

bool ClassTally::is_labelled(ClassKind kind) const {
  const std::vector<std::string>& wanted = classes_of(schema_, kind);
  return std::any_of(wanted.begin(), wanted.end(), [&](const std::string& name) { return of(kind).contains(name); });
}

bool ClassTally::occurs(ClassKind kind) const {
  return std::any_of(of(kind).begin(), of(kind).end(), [](const auto& entry) { return entry.second.frames > 0; });
}

void ClassTally::find_mismatches(ClassKind kind, Findings& findings) const {
  const std::vector<std::string>& wanted = classes_of(schema_, kind);
  std::vector<std::string> named, missing;
  for (const auto& [name, count] : of(kind)) named.push_back(printable(name));
  for (const auto& [name, count] : of(kind)) {
    if (std::find(wanted.begin(), wanted.end(), name) != wanted.end()) continue;
    const std::string near = did_you_mean(name, wanted);
    findings.add(near.empty() ? Severity::Note : Severity::Warning,
                 fmt::format("{} class {}", bevgrad::name(kind), name), "",
                 fmt::format("{} class '{}' of the records is none of the config's and is left out{}",
                             bevgrad::name(kind), printable(name), near));
  }
  if (named.empty()) return;
  for (const std::string& name : wanted)
    if (!of(kind).contains(name)) missing.push_back(name);
  if (!missing.empty())
    findings.add(Severity::Warning, fmt::format("{} classes missing", bevgrad::name(kind)), "",
                 fmt::format("{} classes of the config that none of the {} records looked at names: {}",
                             bevgrad::name(kind), records_, joined(missing)));
}

std::string ClassTally::names_text(ClassKind kind) const {
  std::vector<std::string> names;
  for (const auto& [name, count] : of(kind)) names.push_back(printable(name));
  return names.empty() ? "" : fmt::format("{} classes {}", bevgrad::name(kind), joined(names));
}

}  // namespace bevgrad
