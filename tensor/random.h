// Counter-based randomness (Philox4x32-10; Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011):
// the value at an index depends on seed, stream and index alone, not on device or thread count.
#pragma once
#include <array>
#include <cstdint>

#include "tensor/host_device.h"
#include "tensor/tensor.h"

namespace bevgrad {

/// Four random words for one counter under one key.
BEVGRAD_HD inline std::array<uint32_t, 4> philox(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t product0 = uint64_t{0xD2511F53u} * counter[0];
    const uint64_t product1 = uint64_t{0xCD9E8D57u} * counter[2];
    counter = {static_cast<uint32_t>(product1 >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(product1),
               static_cast<uint32_t>(product0 >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(product0)};
    key[0] += 0x9E3779B9u;
    key[1] += 0xBB67AE85u;
  }
  return counter;
}

/// A source of random tensors. Its state is two numbers, so that saving and restoring them resumes the sequence.
class Generator {
 public:
  explicit Generator(uint64_t seed = 0, uint64_t position = 0) : seed_(seed), position_(position) {}
  uint64_t seed() const { return seed_; }
  /// How many counters have been used.
  uint64_t position() const { return position_; }

  uint32_t next_u32();
  uint64_t next_u64();
  /// Uniform in [0, 1), 53 bits.
  double next_uniform();
  /// Uniform integer in [0, bound), without bias; bound > 0.
  uint64_t next_below(uint64_t bound);
  /// Uniform in [low, high).
  Tensor uniform(const Shape& sizes, double low = 0, double high = 1, const TensorOptions& options = {});
  /// Normal (Box-Muller).
  Tensor normal(const Shape& sizes, double mean = 0, double deviation = 1, const TensorOptions& options = {});

 private:
  std::array<uint32_t, 4> block();

  uint64_t seed_;
  uint64_t position_;
};

}  // namespace bevgrad
