#include "internal/owned_ranges.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/text.h"

namespace bevgrad {

void OwnedRanges::add(uint64_t begin, uint64_t bytes, std::string name) {
  if (bytes > 0) ranges_.push_back({begin, begin + bytes, std::move(name)});
}

void OwnedRanges::check_apart(const std::string& file) {
  std::sort(ranges_.begin(), ranges_.end(), [](const Range& a, const Range& b) { return a.begin < b.begin; });
  for (size_t i = 1; i < ranges_.size(); ++i) {
    check(ranges_[i - 1].end <= ranges_[i].begin, "{}: tensors '{}' and '{}' overlap", file,
          printable(ranges_[i - 1].name), printable(ranges_[i].name));
  }
}

}  // namespace bevgrad
