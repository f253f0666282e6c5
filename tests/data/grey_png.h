#pragma once
#include <zlib.h>

#include <cstdint>
#include <string>
#include <vector>

namespace bevgrad::testing {

/// A PNG of one grey byte a pixel.
inline std::string grey_png(uint32_t width, uint32_t height, const std::vector<uint8_t>& pixels) {
  const auto big = [](uint32_t v) {
    return std::string{static_cast<char>(v >> 24), static_cast<char>(v >> 16), static_cast<char>(v >> 8),
                       static_cast<char>(v)};
  };
  const auto chunk = [&](const std::string& name, const std::string& data) {
    const std::string body = name + data;
    const auto* bytes = reinterpret_cast<const Bytef*>(body.data());
    return big(static_cast<uint32_t>(data.size())) + body +
           big(static_cast<uint32_t>(crc32(0, bytes, static_cast<uInt>(body.size()))));
  };
  std::string rows;
  for (size_t y = 0; y < height; ++y) {
    rows += '\0';  // the row's filter: none
    rows.append(reinterpret_cast<const char*>(pixels.data()) + y * width, width);
  }
  uLongf size = compressBound(rows.size());
  std::string packed(size, '\0');
  compress(reinterpret_cast<Bytef*>(packed.data()), &size, reinterpret_cast<const Bytef*>(rows.data()), rows.size());
  packed.resize(size);
  return std::string("\x89PNG\r\n\x1a\n") + chunk("IHDR", big(width) + big(height) + std::string("\x08\0\0\0\0", 5)) +
         chunk("IDAT", packed) + chunk("IEND", "");
}

}  // namespace bevgrad::testing
