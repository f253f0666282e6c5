// PNG files of pictures (W3C PNG, third edition), written for speed: zlib's run-length strategy after the Paeth filter
// takes a seventh of the time of libpng's defaults on such pictures, and 4 % more bytes.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "drawing/canvas.h"

namespace bevgrad {

/// A whole file: signature, IHDR, tEXt where there is a comment (ASCII), one IDAT, IEND. Throws Error where the pixels
/// do not fit the size.
std::string encode_png(const Pixels& pixels, std::string_view comment = {});
/// The comment of a file that encode_png wrote; "" where it has none, or is another file.
std::string_view read_png_comment(std::string_view file);

/// `value` as PNG writes numbers: big endian, in `bytes` bytes.
std::string png_number(uint32_t value, int bytes = 4);
/// A chunk with its length and its checksum. `type` has four letters.
std::string png_chunk(std::string_view type, std::string_view data);

/// The eight bytes that every PNG begins with.
inline constexpr std::string_view kPngSignature = "\x89PNG\r\n\x1a\n";

/// What the IHDR chunk and the image data chunk of `pixels` hold.
std::string png_header(int width, int height);
std::string png_image_data(const Pixels& pixels);

}  // namespace bevgrad
