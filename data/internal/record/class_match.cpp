#include "internal/record/class_match.h"

#include <algorithm>
#include <set>

#include "base/text.h"

namespace bevgrad {

namespace {

constexpr int kMaxClasses = 256;

}  // namespace

std::vector<int> match_classes(const google::protobuf::RepeatedPtrField<std::string>& stored,
                               const std::vector<std::string>& wanted, const RecordOrigin& origin, const char* field) {
  check(stored.size() <= kMaxClasses, "{} has {} names, expected at most {}", origin.at(field), stored.size(),
        kMaxClasses);
  std::vector<int> match;
  std::set<std::string> seen;
  for (const std::string& name : stored) {
    check(seen.insert(name).second, "{} names '{}' twice", origin.at(field), printable(name));
    auto at = std::find(wanted.begin(), wanted.end(), name);
    match.push_back(at == wanted.end() ? -1 : static_cast<int>(at - wanted.begin()));
  }
  return match;
}

bool any_matched(const std::vector<int>& match) {
  return std::any_of(match.begin(), match.end(), [](int id) { return id >= 0; });
}

}  // namespace bevgrad
