// Two checkpoints side by side.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "formats/state_dict.h"

namespace bevgrad {

struct CompareOptions {
  /// Values a and b are equal where |a - b| <= atol + rtol |b|; NaN equals NaN.
  double rtol = 0;
  double atol = 0;
};

struct TensorDifference {
  std::string name;
  double largest = 0;           // |a - b|; infinity where one of them is not finite
  double largest_relative = 0;  // |a - b| / |b|
  int64_t differing = 0;
  int64_t numel = 0;
};

struct CompareReport {
  size_t equal = 0;
  std::vector<std::string> only_a;
  std::vector<std::string> only_b;
  std::vector<std::string> other_kind;      // dtype or shape, one line each
  std::vector<TensorDifference> different;  // largest first

  bool same() const { return only_a.empty() && only_b.empty() && other_kind.empty() && different.empty(); }
  std::string text(const std::string& a, const std::string& b) const;
};

/// Compares the parameters of two files by name, after cutting prefixes that all names of a file share.
CompareReport compare_checkpoints(const CheckpointFile& a, const CheckpointFile& b, const CompareOptions& options);

}  // namespace bevgrad
