// Whether the values of a checkpoint look as weights should.
#pragma once
#include <string>
#include <vector>

#include "formats/state_dict.h"

namespace bevgrad {

struct TensorCheck {
  struct Problem {
    std::string tensor;
    std::string what;
  };
  size_t tensors = 0;
  std::vector<Problem> problems;

  std::string text(const std::string& path, bool json) const;
};

/// Reads every tensor. Problems are NaN and infinite values; floating-point tensors of two and more dimensions that are
/// all zero, or hold nothing but denormal numbers and zeros; parameters with the same values as another one of the
/// state dict that they share no storage with (copied, or tied once), constants and small ones not counted.
TensorCheck check_checkpoint(const CheckpointFile& file);

}  // namespace bevgrad
