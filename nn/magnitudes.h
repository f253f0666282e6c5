// A histogram of an activation's values, and the range that 8 bits had best stand for.
#pragma once
#include <cstdint>
#include <vector>

#include "nn/activation_ranges.h"
#include "tensor/tensor.h"

namespace bevgrad {

class Magnitudes {
 public:
  /// float32 or bfloat16. Values that are not finite are an error.
  void add(const Tensor& values);
  /// The limit with the least squared error, over all values seen, of clipping and rounding to 255 steps (127 on either
  /// side where there are negative ones, or `is_signed` asks for it).
  ActivationRange best_range(bool is_signed = false) const;

 private:
  void widen(double magnitude);

  std::vector<int64_t> bins_;  // of |value|, empty until the first one that is not 0 comes
  double width_ = 0;           // of a bin
  bool has_negative_ = false;
};

}  // namespace bevgrad
