// Seeded orders that are the same with every compiler and standard library (which std::shuffle is not).
#pragma once
#include <cstdint>
#include <random>
#include <utility>
#include <vector>

namespace bevgrad {

/// Uniform in [0, bound), without bias. `bound` must be positive.
inline uint64_t uniform_below(std::mt19937_64& random, uint64_t bound) {
  const uint64_t reject_below = (0 - bound) % bound;
  for (;;) {
    uint64_t value = random();
    if (value >= reject_below) return value % bound;
  }
}

/// A generator for one purpose of one epoch: nearby seeds and epochs give unrelated numbers.
inline std::mt19937_64 random_for(uint64_t seed, uint64_t purpose, uint64_t epoch) {
  std::seed_seq words{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32), static_cast<uint32_t>(purpose),
                      static_cast<uint32_t>(epoch), static_cast<uint32_t>(epoch >> 32)};
  return std::mt19937_64(words);
}

/// Fisher and Yates.
template <class T>
void shuffle(std::vector<T>& values, std::mt19937_64& random) {
  for (size_t i = values.size(); i > 1; --i)
    std::swap(values[i - 1], values[static_cast<size_t>(uniform_below(random, i))]);
}

}  // namespace bevgrad
