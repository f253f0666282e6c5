// Random numbers of the scene generator: counter-based, so that the same seed gives the same bits on every machine,
// whatever the order in which independent parts draw theirs.
#pragma once
#include <cstddef>
#include <cstdint>
#include <initializer_list>

namespace bevgrad::scene {

/// SplitMix64's finaliser (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
constexpr uint64_t mix(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

/// A number in [0, 1) that depends on a place and a key alone: texture noise.
inline float hash_noise(int32_t x, int32_t y, uint64_t key) {
  uint64_t h = (static_cast<uint64_t>(static_cast<uint32_t>(x)) << 32) | static_cast<uint32_t>(y);
  h = (h ^ key) * 0x9e3779b97f4a7c15ull;
  h ^= h >> 29;
  h *= 0xbf58476d1ce4e5b9ull;
  return static_cast<float>(h >> 40) * 0x1p-24f;
}

class Random {
 public:
  explicit Random(uint64_t key) : key_(mix(key + 0x9e3779b97f4a7c15ull)) {}

  /// An independent generator for one part of the work.
  Random fork(uint64_t stream) const { return Random(key_ ^ mix(stream + 0x632be59bd9b4e019ull)); }

  uint64_t bits() { return mix(key_ + 0x9e3779b97f4a7c15ull * ++counter_); }
  /// In [0, 1).
  double uniform() { return static_cast<double>(bits() >> 11) * 0x1p-53; }
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  /// In low..high, both included.
  int integer(int low, int high) { return low + static_cast<int>(bits() % static_cast<uint64_t>(high - low + 1)); }
  bool chance(double probability) { return uniform() < probability; }
  /// Mean 0, standard deviation 1, as the sum of twelve uniform numbers: within +-6 and free of library functions.
  double normal() {
    double sum = -6;
    for (int i = 0; i < 12; ++i) sum += uniform();
    return sum;
  }
  template <class T>
  T pick(std::initializer_list<T> values) {
    return *(values.begin() + integer(0, static_cast<int>(values.size()) - 1));
  }

 private:
  uint64_t key_;
  uint64_t counter_ = 0;
};

}  // namespace bevgrad::scene
