#include "formats/convert/compare.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <unordered_map>

#include "base/error.h"
#include "base/text.h"
#include "pickle/internal/numbers.h"

namespace bevgrad {

namespace {

constexpr size_t kPieceElements = 1 << 18;
constexpr size_t kShown = 20;

std::vector<NamedTensor> stripped(const CheckpointFile& file) {
  std::vector<NamedTensor> tensors = named_tensors(file);
  std::vector<std::string> names;
  for (const NamedTensor& tensor : tensors) names.push_back(tensor.name);
  strip_common_prefixes(names);
  for (size_t i = 0; i < tensors.size(); ++i) tensors[i].name = names[i];
  return tensors;
}

TensorDifference difference(const NamedTensor& a, const StoredTensor& b, const CompareOptions& options) {
  TensorDifference out{.name = a.name, .numel = a.tensor.numel()};
  ValueReader left(a.tensor);
  ValueReader right(b);
  const size_t step = item_size(b.dtype);
  std::vector<std::byte> left_piece;
  std::vector<std::byte> right_piece;
  while (left.remaining() > 0) {
    left_piece.resize(std::min<uint64_t>(left.remaining(), kPieceElements * step));
    right_piece.resize(left_piece.size());
    left.read(left_piece);
    right.read(right_piece);
    if (left_piece == right_piece) continue;
    // Complex numbers part by part.
    const size_t part = swap_size(b.dtype);
    const StoredDType type = part == step                         ? b.dtype
                             : b.dtype == StoredDType::Complex128 ? StoredDType::Float64
                             : b.dtype == StoredDType::Complex64  ? StoredDType::Float32
                                                                  : StoredDType::Float16;
    for (size_t i = 0; i < left_piece.size(); i += part) {
      if (std::memcmp(&left_piece[i], &right_piece[i], part) == 0) continue;
      const double x = to_double(type, &left_piece[i]);
      const double y = to_double(type, &right_piece[i]);
      if (x == y && (x != 0 || options.atol > 0 || options.rtol > 0)) {
        // 64-bit integers that double cannot tell apart.
        if (is_floating_point(type) || std::abs(x) < 9e15) continue;
      }
      if (std::isnan(x) && std::isnan(y)) continue;
      const double distance = std::abs(x - y);
      if (distance <= options.atol + options.rtol * std::abs(y) && (options.atol > 0 || options.rtol > 0)) continue;
      ++out.differing;
      out.largest = std::max(out.largest, std::isnan(distance) ? std::numeric_limits<double>::infinity() : distance);
      if (y != 0) out.largest_relative = std::max(out.largest_relative, distance / std::abs(y));
    }
  }
  return out;
}

void list(std::string& out, const std::string& title, const std::vector<std::string>& lines) {
  if (lines.empty()) return;
  out += fmt::format("{} ({}):\n", title, lines.size());
  for (size_t i = 0; i < std::min(lines.size(), kShown); ++i) out += "  " + printable(lines[i], 400) + "\n";
  if (lines.size() > kShown) out += fmt::format("  ... {} more\n", lines.size() - kShown);
}

}  // namespace

CompareReport compare_checkpoints(const CheckpointFile& a, const CheckpointFile& b, const CompareOptions& options) {
  const std::vector<NamedTensor> left = stripped(a);
  const std::vector<NamedTensor> right = stripped(b);
  std::unordered_map<std::string, const StoredTensor*> by_name;
  for (const NamedTensor& tensor : right) by_name.emplace(tensor.name, &tensor.tensor);
  CompareReport out;
  for (const NamedTensor& tensor : left) {
    const auto found = by_name.find(tensor.name);
    if (found == by_name.end()) {
      out.only_a.push_back(tensor.name);
      continue;
    }
    const StoredTensor& other = *found->second;
    by_name.erase(found);
    if (tensor.tensor.dtype != other.dtype || tensor.tensor.sizes != other.sizes) {
      out.other_kind.push_back(fmt::format("{}: {} and {}", tensor.name, describe(tensor.tensor), describe(other)));
      continue;
    }
    TensorDifference found_difference = difference(tensor, other, options);
    if (found_difference.differing == 0) {
      ++out.equal;
    } else {
      out.different.push_back(std::move(found_difference));
    }
  }
  for (const NamedTensor& tensor : right) {
    if (by_name.contains(tensor.name)) out.only_b.push_back(tensor.name);
  }
  std::stable_sort(out.different.begin(), out.different.end(),
                   [](const auto& x, const auto& y) { return x.largest > y.largest; });
  return out;
}

std::string CompareReport::text(const std::string& a, const std::string& b) const {
  std::string out = fmt::format("{} tensors are equal, {} differ in values, {} in dtype or shape\n", equal,
                                different.size(), other_kind.size());
  list(out, "only in " + a, only_a);
  list(out, "only in " + b, only_b);
  list(out, "dtype or shape", other_kind);
  std::vector<std::string> lines;
  for (const TensorDifference& d : different) {
    lines.push_back(fmt::format("{}: largest {:.6g}, relative {:.3g}, {} of {} values", d.name, d.largest,
                                d.largest_relative, d.differing, d.numel));
  }
  list(out, "values, largest difference first", lines);
  return out;
}

}  // namespace bevgrad
