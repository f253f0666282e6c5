#include "internal/record/attributes.h"

#include <algorithm>

#include "internal/record/class_match.h"

namespace bevgrad {

AttributeReader::AttributeReader(const google::protobuf::RepeatedPtrField<records::AttributeKind>& stored,
                                 const std::vector<AttributeKind>& wanted, const RecordOrigin& origin,
                                 const char* field)
    : wanted_(wanted.size()) {
  google::protobuf::RepeatedPtrField<std::string> names;
  for (const records::AttributeKind& kind : stored) *names.Add() = kind.name();
  std::vector<std::string> wanted_names;
  for (const AttributeKind& kind : wanted) wanted_names.push_back(kind.name);
  const std::vector<int> match = match_classes(names, wanted_names, origin, field);
  for (int i = 0; i < stored.size(); ++i) {
    const int number = match[static_cast<size_t>(i)];
    const std::vector<std::string> none;
    kinds_.push_back(
        {number, match_classes(stored[i].values(), number < 0 ? none : wanted[static_cast<size_t>(number)].values,
                               origin, fmt::format("{}[{}].values", field, i).c_str())});
  }
}

std::vector<int> AttributeReader::read(const google::protobuf::RepeatedField<uint32_t>& numbers,
                                       const RecordOrigin& origin, const ItemField& at) const {
  if (numbers.empty()) return {};
  check(static_cast<size_t>(numbers.size()) == kinds_.size(), "{} has {} entries, expected one for each of {} kinds",
        origin.at(std::string(at)), numbers.size(), kinds_.size());
  std::vector<int> attributes(wanted_, -1);
  bool any = false;
  for (size_t k = 0; k < kinds_.size(); ++k) {
    const uint32_t number = numbers[static_cast<int>(k)];
    const Kind& kind = kinds_[k];
    check(number <= kind.values.size(), "{}[{}] is {}, expected 0 to {}, the number of the kind's values",
          origin.at(std::string(at)), k, number, kind.values.size());
    if (number == 0 || kind.wanted < 0) continue;
    attributes[static_cast<size_t>(kind.wanted)] = kind.values[number - 1];
    any = any || kind.values[number - 1] >= 0;
  }
  if (!any) attributes.clear();
  return attributes;
}

void store_attribute_kinds(const std::vector<AttributeKind>& kinds,
                           google::protobuf::RepeatedPtrField<records::AttributeKind>* out) {
  for (const AttributeKind& kind : kinds) {
    records::AttributeKind* stored = out->Add();
    stored->set_name(kind.name);
    for (const std::string& value : kind.values) stored->add_values(value);
  }
}

void store_attributes(const std::vector<int>& attributes, const std::vector<AttributeKind>& kinds, const char* field,
                      google::protobuf::RepeatedField<uint32_t>* out) {
  if (std::all_of(attributes.begin(), attributes.end(), [](int value) { return value < 0; })) return;
  check(attributes.size() == kinds.size(), "{}: {} attributes for {} kinds", field, attributes.size(), kinds.size());
  for (size_t k = 0; k < kinds.size(); ++k) {
    check(attributes[k] < static_cast<int>(kinds[k].values.size()), "{}: '{}' has no value {}", field, kinds[k].name,
          attributes[k]);
    out->Add(static_cast<uint32_t>(std::max(attributes[k], -1) + 1));
  }
}

}  // namespace bevgrad
