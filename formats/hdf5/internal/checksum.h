// The checksum of a dataset: XXH3-64 over its bytes, little-endian, in row-major order.
#pragma once
#include <xxhash.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace bevgrad {

inline constexpr const char* kChecksumAttribute = "checksum";

class Checksum {
 public:
  Checksum() : state_(XXH3_createState()) { XXH3_64bits_reset(state_.get()); }
  void update(std::span<const std::byte> bytes) { XXH3_64bits_update(state_.get(), bytes.data(), bytes.size()); }
  void reset() { XXH3_64bits_reset(state_.get()); }
  /// "xxh3:0123456789abcdef"
  std::string text() const;

 private:
  struct Free {
    void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
  };
  std::unique_ptr<XXH3_state_t, Free> state_;
};

}  // namespace bevgrad
