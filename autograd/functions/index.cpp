#include "autograd/functions/index.h"

#include <algorithm>

#include "autograd/functions/arrange.h"
#include "autograd/functions/shape.h"

namespace bevgrad {

Tensor index(const Tensor& x, const std::vector<IndexEntry>& entries) {
  tape::check_defined("index", {{"x", x}});
  const auto count = [&](auto is) { return std::count_if(entries.begin(), entries.end(), is); };
  const auto named = static_cast<int>(count([](const IndexEntry& entry) {
    return std::holds_alternative<int64_t>(entry) || std::holds_alternative<Slice>(entry);
  }));
  check(named <= x.dim(), "index: {} entries for {}", named, to_string(x.sizes()));
  check(count([](const IndexEntry& entry) { return std::holds_alternative<Ellipsis>(entry); }) <= 1,
        "index: more than one ellipsis");
  Tensor y = x;
  int dim = 0;  // of y
  for (const IndexEntry& entry : entries) {
    if (const auto* at = std::get_if<int64_t>(&entry)) {
      y = select(y, dim, *at);
    } else if (const auto* part = std::get_if<Slice>(&entry)) {
      y = slice(y, dim++, part->start, part->end, part->step);
    } else if (std::holds_alternative<NewAxis>(entry)) {
      y = unsqueeze(y, dim++);
    } else {
      dim += x.dim() - named;
    }
  }
  return y;
}

}  // namespace bevgrad
