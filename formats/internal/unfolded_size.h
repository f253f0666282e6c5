// How much values would take if each tensor were written out by itself.
#pragma once
#include <cstdint>
#include <string>
#include <unordered_set>

#include "formats/stored_tensor.h"

namespace bevgrad {

/// Strides of 0, overlapping views and many names let a few bytes unfold to more than any disk holds. Adds tensors up
/// and refuses where they take over 64 times their storages and 256 MiB, as no weights do.
class UnfoldedSize {
 public:
  explicit UnfoldedSize(std::string file) : file_(std::move(file)) {}

  void add(const StoredTensor& tensor);
  /// Throws Error naming the file.
  void check_limit() const;

 private:
  std::string file_;
  std::unordered_set<const void*> storages_;
  uint64_t held_ = 0;
  uint64_t unfolded_ = 0;
};

}  // namespace bevgrad
