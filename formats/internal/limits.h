// Limits that every reader and writer keeps, whatever the format.
#pragma once
#include <cstddef>
#include <cstdint>

namespace bevgrad {

/// Levels of a structure that a function walks by calling itself.
inline constexpr int kMaximumDepth = 200;
/// Dimensions of a tensor.
inline constexpr size_t kMaximumRank = 64;
/// What a file may unfold to: so many times what it holds, and so many bytes besides.
inline constexpr uint64_t kInflationFactor = 64;
inline constexpr uint64_t kInflationSlack = 256 << 20;

}  // namespace bevgrad
