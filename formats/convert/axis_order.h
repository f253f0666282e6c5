// Axes of tensors in another order, as rules of renaming ask for: frameworks lay kernels out differently.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "formats/stored_tensor.h"

namespace bevgrad {

/// "3,2,0,1": the new axes, each an old one; "2*3" joins old axes into one, "+" is a new axis of size 1.
class AxisOrder {
 public:
  /// Throws UsageError, beginning with `where`, unless every axis from 0 comes once.
  static AxisOrder parse(std::string_view text, const std::string& where);

  size_t rank() const { return rank_; }
  /// The same values with other axes; views of a storage stay views of it unless axes are joined. `tensor` has the
  /// rank of the order.
  StoredTensor apply(const StoredTensor& tensor) const;

 private:
  std::vector<std::vector<size_t>> axes_;  // old axes of each new one
  size_t rank_ = 0;
};

/// Applies the order of the tensor's rank. Without orders, and of less than two dimensions, it stays as it is where
/// there is none; otherwise throws Error, naming `name`.
StoredTensor reordered(const StoredTensor& tensor, const std::vector<AxisOrder>& orders, const std::string& name);

}  // namespace bevgrad
