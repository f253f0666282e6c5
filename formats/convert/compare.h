// Two checkpoints side by side.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "formats/state_dict.h"

namespace bevgrad {

enum class CompareOrder { MaxAbs, Relative, L2, Cosine, Name };

struct CompareOptions {
  /// Values a and b are equal where |a - b| <= atol + rtol |b|; NaN equals NaN.
  double rtol = 0;
  double atol = 0;
  /// Patterns of * and ?: only what one of them matches is compared. None selects everything.
  std::vector<std::string> select = {};
  /// Leaves out everything that is no tensor.
  bool only_tensors = false;
  CompareOrder order = CompareOrder::MaxAbs;
};

struct TensorDifference {
  std::string name;
  double largest = 0;           // |a - b|; infinity where one of them is not finite
  double largest_relative = 0;  // |a - b| / |b|
  double l2 = 0;                // of a - b, over the finite values
  double relative_l2 = 0;       // the same over that of b
  double cosine = 0;            // between a and b; NaN where one of them is zero
  int64_t differing = 0;
  int64_t numel = 0;
};

/// A value that is no tensor, or tensors of other dtypes or shapes, as texts.
struct ValueDifference {
  std::string name;
  std::string a;
  std::string b;
};

struct CompareReport {
  size_t equal = 0;         // tensors
  size_t equal_values = 0;  // others
  std::vector<std::string> only_a;
  std::vector<std::string> only_b;
  std::vector<ValueDifference> other_kind;  // tensors of another dtype or shape
  std::vector<ValueDifference> values;
  std::vector<TensorDifference> different;  // in the order asked for, the greatest change first

  bool same() const {
    return only_a.empty() && only_b.empty() && other_kind.empty() && values.empty() && different.empty();
  }
  /// At most `top` lines of each kind of difference.
  std::string text(const std::string& a, const std::string& b, size_t top = 20) const;
  std::string json(const std::string& a, const std::string& b) const;
};

/// Compares everything in two files: parameters by name, after cutting prefixes that all names of a file share;
/// tensors, numbers, texts and the kinds of containers elsewhere by where they are ("optimizer.state.0.exp_avg").
CompareReport compare_checkpoints(const CheckpointFile& a, const CheckpointFile& b, const CompareOptions& options);

}  // namespace bevgrad
