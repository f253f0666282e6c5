// Bytes of a record as zlib streams.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/record.h"

namespace bevgrad {

std::string deflated(std::span<const uint8_t> bytes);

/// The stream must hold exactly `size` bytes; no more than that is ever allocated.
std::vector<uint8_t> inflated(const std::string& stream, size_t size, const RecordOrigin& origin,
                              const std::string& field);

}  // namespace bevgrad
