// Two numbers of a two-dimensional window: down the rows and along a row.
#pragma once
#include <string>

#include "tensor/host_device.h"

namespace bevgrad {

/// A kernel, stride, padding or dilation; one number stands for both.
struct Pair {
  int h, w;

  BEVGRAD_HD constexpr Pair(int both) : h(both), w(both) {}  // NOLINT(google-explicit-constructor)
  BEVGRAD_HD constexpr Pair(int rows, int columns) : h(rows), w(columns) {}
  Pair(bool) = delete;  // an option in the wrong place
  BEVGRAD_HD constexpr bool operator==(const Pair& other) const { return h == other.h && w == other.w; }
};

/// "3", or "3x1" where they differ.
inline std::string to_string(Pair pair) {
  return pair.h == pair.w ? std::to_string(pair.h) : std::to_string(pair.h) + "x" + std::to_string(pair.w);
}

}  // namespace bevgrad
