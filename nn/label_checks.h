// Wrong labels on a GPU, found without waiting for it.
#pragma once
#include <span>
#include <vector>

#include "tensor/tensor.h"

namespace bevgrad {

/// As long as one lives, this thread's losses do not wait to learn whether a label on a GPU is wrong: whoever made it
/// reads counts() with other numbers, and hands them to check().
class DeferredLabelChecks {
 public:
  DeferredLabelChecks();
  ~DeferredLabelChecks();
  DeferredLabelChecks(const DeferredLabelChecks&) = delete;
  DeferredLabelChecks& operator=(const DeferredLabelChecks&) = delete;

  struct Entry {
    const char* loss;
    Tensor targets;
    Tensor count;  ///< wrong labels, a float64 scalar on the device
  };
  const std::vector<Entry>& entries() const { return entries_; }

  /// From a loss: checks now, or later where one of these lives.
  static void add(Entry entry);
  /// Throws what the loss throws, where the count is not 0.
  static void check(const Entry& entry, double count);

 private:
  std::vector<Entry> entries_;
  DeferredLabelChecks* outer_;
};

}  // namespace bevgrad
