#include "internal/exif.h"

#include <algorithm>
#include <cstring>

namespace bevgrad {

namespace {

constexpr uint16_t kOrientationTag = 0x0112;

/// Integers of a TIFF block, whose byte order its first two bytes name. Past its end everything is 0.
class Tiff {
 public:
  explicit Tiff(std::span<const uint8_t> bytes)
      : bytes_(bytes), is_little_(bytes.size() >= 2 && bytes[0] == 'I' && bytes[1] == 'I') {}

  uint32_t number(size_t at, size_t length) const {
    uint32_t value = 0;
    if (at > bytes_.size() || length > bytes_.size() - at) return 0;
    for (size_t i = 0; i < length; ++i) value = value << 8 | bytes_[at + (is_little_ ? length - 1 - i : i)];
    return value;
  }

  int orientation() const {
    if (number(2, 2) != 42) return 1;
    const size_t directory = number(4, 4), entries = number(directory, 2);
    for (size_t i = 0; i < entries; ++i) {
      const size_t entry = directory + 2 + 12 * i;
      if (entry + 12 > bytes_.size()) break;
      if (number(entry, 2) != kOrientationTag) continue;
      const uint32_t value = number(entry + 8, 2);
      return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
    }
    return 1;
  }

 private:
  std::span<const uint8_t> bytes_;
  bool is_little_;
};

}  // namespace

int exif_orientation(std::span<const uint8_t> jpeg) {
  // Segments up to the picture's data: FF, marker, length (which counts itself), content.
  size_t at = 2;
  while (at + 4 <= jpeg.size() && jpeg[at] == 0xFF) {
    const uint8_t marker = jpeg[at + 1];
    if (marker == 0xFF) {
      ++at;
      continue;
    }
    if (marker == 0xDA || marker == 0xD9) break;
    const size_t length = static_cast<size_t>(jpeg[at + 2] << 8 | jpeg[at + 3]);
    if (length < 2 || length > jpeg.size() - at - 2) break;
    const std::span<const uint8_t> content = jpeg.subspan(at + 4, length - 2);
    if (marker == 0xE1 && content.size() > 6 && std::memcmp(content.data(), "Exif\0\0", 6) == 0)
      return Tiff(content.subspan(6)).orientation();
    at += 2 + length;
  }
  return 1;
}

}  // namespace bevgrad
