#include "formats/convert/check.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "base/text.h"
#include "convert/internal/leaves.h"
#include "convert/internal/stats.h"
#include "formats/convert/tensor_hash.h"
#include "safetensors/internal/json.h"

namespace bevgrad {

namespace {

constexpr int64_t kSmall = 64;  // values of a tensor that may be like another one by chance

/// The smallest normal number of a floating-point dtype, or 0 where there are no denormal ones.
double smallest_normal(StoredDType dtype) {
  switch (dtype) {
    case StoredDType::Float64:
    case StoredDType::Complex128:
      return 0x1p-1022;
    case StoredDType::Float32:
    case StoredDType::BFloat16:
    case StoredDType::Complex64:
      return 0x1p-126;
    case StoredDType::Float16:
    case StoredDType::Complex32:
      return 0x1p-14;
    default:
      return 0;
  }
}

}  // namespace

TensorCheck check_checkpoint(const CheckpointFile& file) {
  TensorCheck out;
  std::unordered_map<std::string, std::pair<std::string, const void*>> by_hash;
  for (const Leaf& leaf : leaves_of(file)) {
    const Node& node = file.document->node(leaf.id);
    if (node.kind != ValueKind::Tensor) continue;
    ++out.tensors;
    const StoredTensor& tensor = *node.tensor;
    const TensorStats stats = stats_of(tensor);
    const auto problem = [&](std::string what) { out.problems.push_back({leaf.name, std::move(what)}); };
    if (stats.nan > 0) problem(fmt::format("{} of {} values are NaN", stats.nan, tensor.numel()));
    if (stats.infinite > 0) problem(fmt::format("{} of {} values are infinite", stats.infinite, tensor.numel()));
    const bool weights = is_floating_point(tensor.dtype) && tensor.sizes.size() >= 2 && tensor.numel() > 1;
    if (weights && stats.zero == tensor.numel()) {
      problem("all values are zero");
    } else if (weights && stats.nan + stats.infinite == 0 &&
               std::max(std::abs(stats.min), std::abs(stats.max)) < smallest_normal(tensor.dtype)) {
      problem("all values are zero or denormal");
    }
    const bool constant = !(stats.min < stats.max);
    if (!leaf.parameter || constant || tensor.numel() < kSmall) continue;
    const void* storage = identity(*tensor.storage);
    const auto [at, added] = by_hash.try_emplace(tensor_hash(tensor), leaf.name, storage);
    if (!added && at->second.second != storage) {
      problem("the same values as " + at->second.first + ", with which it shares no storage");
    }
  }
  return out;
}

std::string TensorCheck::text(const std::string& path, bool json) const {
  std::string out;
  if (json) {
    for (const Problem& problem : problems) {
      out += fmt::format("{}{{\"tensor\":{},\"problem\":{}}}", out.empty() ? "" : ",", json_string(problem.tensor),
                         json_string(problem.what));
    }
    return fmt::format("{{\"file\":{},\"tensors\":{},\"problems\":[{}]}}\n", json_string(path), tensors, out);
  }
  for (const Problem& problem : problems) {
    out += fmt::format("{}: {}\n", printable(problem.tensor), printable(problem.what, 400));
  }
  return out + fmt::format("{}: {} tensors, {} problems\n", printable(path, 1000), tensors, problems.size());
}

}  // namespace bevgrad
