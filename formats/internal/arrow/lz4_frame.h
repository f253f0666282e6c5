// LZ4 frames.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace bevgrad {

/// The `size` bytes that a frame unpacks to. Throws, naming `where`, for a damaged frame and one of another size;
/// nothing is allocated that the packed bytes cannot fill (LZ4 shrinks to a 255th at best).
std::vector<uint8_t> unpack_lz4_frame(std::span<const uint8_t> packed, uint64_t size, const std::string& where);

}  // namespace bevgrad
