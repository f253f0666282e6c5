#include "internal/build_digest.h"

#include <xxhash.h>

#include <array>
#include <fstream>
#include <memory>

#include "base/error.h"

namespace bevgrad {

std::string build_digest() {
  std::ifstream file("/proc/self/exe", std::ios::binary);
  check(file.good(), "cannot read the running program (/proc/self/exe)");
  const std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> state(XXH3_createState(), XXH3_freeState);
  XXH3_64bits_reset(state.get());
  std::array<char, 1 << 16> bytes;
  while (file.read(bytes.data(), bytes.size()) || file.gcount() > 0)
    XXH3_64bits_update(state.get(), bytes.data(), static_cast<size_t>(file.gcount()));
  return fmt::format("{:016x}", XXH3_64bits_digest(state.get()));
}

}  // namespace bevgrad
