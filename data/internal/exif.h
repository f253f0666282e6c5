// The one thing of a JPEG's EXIF block that geometry hangs on.
#pragma once
#include <cstdint>
#include <span>

namespace bevgrad {

/// The Orientation tag, 1 to 8; 1 ("as it lies") where a JPEG has none. 5 to 8 exchange the sides. It is never applied
/// when a picture is decoded: a calibration belongs to the pixels as they lie in the file.
int exif_orientation(std::span<const uint8_t> jpeg);

}  // namespace bevgrad
