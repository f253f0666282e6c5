#include "tensor/random.h"

#include <cmath>
#include <numbers>

namespace bevgrad {

std::array<uint32_t, 4> Generator::block() {
  const uint64_t position = position_++;
  return philox({static_cast<uint32_t>(position), static_cast<uint32_t>(position >> 32), 0, 0},
                {static_cast<uint32_t>(seed_), static_cast<uint32_t>(seed_ >> 32)});
}

uint32_t Generator::next_u32() {
  return block()[0];
}

uint64_t Generator::next_u64() {
  const auto words = block();
  return words[0] | uint64_t{words[1]} << 32;
}

double Generator::next_uniform() {
  return static_cast<double>(next_u64() >> 11) * 0x1p-53;
}

uint64_t Generator::next_below(uint64_t bound) {
  check(bound > 0, "next_below: the bound must be positive");
  const uint64_t limit = UINT64_MAX - UINT64_MAX % bound;
  uint64_t value = next_u64();
  while (value >= limit) value = next_u64();
  return value % bound;
}

Tensor Generator::uniform(const Shape& sizes, double low, double high, const TensorOptions& options) {
  std::vector<double> values(static_cast<size_t>(bevgrad::numel(sizes)));
  for (double& value : values) value = low + (high - low) * next_uniform();
  return from_values(values, sizes, options);
}

Tensor Generator::normal(const Shape& sizes, double mean, double deviation, const TensorOptions& options) {
  std::vector<double> values(static_cast<size_t>(bevgrad::numel(sizes)));
  for (size_t i = 0; i < values.size(); i += 2) {
    const double radius = std::sqrt(-2.0 * std::log(1.0 - next_uniform()));
    const double angle = 2.0 * std::numbers::pi * next_uniform();
    values[i] = mean + deviation * radius * std::cos(angle);
    if (i + 1 < values.size()) values[i + 1] = mean + deviation * radius * std::sin(angle);
  }
  return from_values(values, sizes, options);
}

}  // namespace bevgrad
