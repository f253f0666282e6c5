// Sums over the processes of a batch (autograd/batch_sync.h) that backward rules need. Rules that do not wait for one
// another have theirs in one message.
#pragma once
#include <functional>
#include <utility>
#include <vector>

#include "tensor/tensor.h"

namespace bevgrad::tape {

/// What the rules of a backward pass have asked for, one rule at most between two calls of take().
class LateSums {
 public:
  struct Request {
    Tensor sums;
    std::function<void()> then;
  };
  /// From here to its end it is the one that sum_late() of this thread turns to; so passes within a rule have their
  /// own. Where `is_on` is false, sum_late() sums at once.
  explicit LateSums(bool is_on);
  ~LateSums();
  LateSums(const LateSums&) = delete;
  LateSums& operator=(const LateSums&) = delete;

  bool is_on() const { return is_on_; }
  /// What the rule that has just returned asked for; nothing: `then` is empty.
  Request take() { return std::exchange(asked_, {}); }

 private:
  friend void sum_late(const Tensor& sums, std::function<void()> then);
  bool is_on_;
  Request asked_;
  LateSums* around_;
};

/// For backward rules, once and last: adds `sums` (float64, contiguous) up over the processes, then calls `then`, which
/// fills in what the gradients that the rule returns lack. In a pass of backward() that is when no other rule can run.
void sum_late(const Tensor& sums, std::function<void()> then);

}  // namespace bevgrad::tape
