// Steps that a training is better off without: those whose loss jumps.
#pragma once
#include <cstdint>
#include <map>
#include <string>

namespace bevgrad {

/// Knows about what the loss has been. Given the losses of all ranks together it decides alike on all of them.
class LossGuard {
 public:
  /// A loss above `factor` times the running mean is a jump; 0: none is. After `most` in a row it is no jump any more
  /// but what the loss has become.
  LossGuard(double factor, int64_t most) : factor_(factor), most_(most) {}

  /// Whether the step with this loss is to be skipped. Until 20 losses have been seen none is. Throws Error after
  /// `most` steps in a row that were.
  bool rejects(double loss);
  double mean() const { return mean_; }

  /// For checkpoints.
  std::map<std::string, double> state() const;
  void restore(const std::map<std::string, double>& state);

 private:
  double factor_;
  int64_t most_;
  double mean_ = 0;
  int64_t seen_ = 0, in_a_row_ = 0;
};

}  // namespace bevgrad
