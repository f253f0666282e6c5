#include "hdf5/internal/checksum.h"

#include <fmt/format.h>

namespace bevgrad {

std::string Checksum::text() const {
  return fmt::format("xxh3:{:016x}", XXH3_64bits_digest(state_.get()));
}

}  // namespace bevgrad
