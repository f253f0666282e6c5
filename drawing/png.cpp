#include "drawing/png.h"

#include <zlib.h>

#include <cstdlib>

#include "base/error.h"

namespace bevgrad {
namespace {

constexpr uint8_t kPaeth = 4;
/// The keyword and the zero that ends it.
constexpr std::string_view kComment{"Comment", 8};

/// Filters one row of RGB bytes: what remains after the neighbour that is closest to left + above - above left.
void filter_paeth(const uint8_t* row, const uint8_t* above, size_t length, uint8_t* out) {
  for (size_t i = 0; i < 3 && i < length; ++i) out[i] = static_cast<uint8_t>(row[i] - above[i]);
  for (size_t i = 3; i < length; ++i) {
    const int left = row[i - 3], up = above[i], corner = above[i - 3];
    const int by_left = std::abs(up - corner), by_up = std::abs(left - corner),
              by_corner = std::abs(left + up - 2 * corner);
    const int guess = by_left <= by_up && by_left <= by_corner ? left : by_up <= by_corner ? up : corner;
    out[i] = static_cast<uint8_t>(row[i] - guess);
  }
}

}  // namespace

std::string png_number(uint32_t value, int bytes) {
  std::string text;
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) text += static_cast<char>(value >> shift & 255);
  return text;
}

std::string png_chunk(std::string_view type, std::string_view data) {
  std::string chunk = png_number(static_cast<uint32_t>(data.size()));
  chunk += type;
  chunk += data;
  const auto* body = reinterpret_cast<const Bytef*>(chunk.data()) + 4;
  return chunk + png_number(static_cast<uint32_t>(crc32(0, body, static_cast<uInt>(chunk.size() - 4))));
}

std::string png_header(int width, int height) {
  // 8 bits a channel, RGB, deflate, adaptive filters, not interlaced.
  return png_number(static_cast<uint32_t>(width)) + png_number(static_cast<uint32_t>(height)) +
         std::string("\x08\x02\x00\x00\x00", 5);
}

std::string png_image_data(const Pixels& pixels) {
  const auto width = static_cast<size_t>(pixels.width) * 3, height = static_cast<size_t>(pixels.height);
  check(pixels.width > 0 && pixels.height > 0 && pixels.rgb.size() == width * height,
        "png: {} bytes for {} x {} pixels", pixels.rgb.size(), pixels.width, pixels.height);
  std::string raw((width + 1) * height, '\0');
  const std::string nothing(width, '\0');
  for (size_t y = 0; y < height; ++y) {
    const uint8_t* row = pixels.rgb.data() + y * width;
    const uint8_t* above = y > 0 ? row - width : reinterpret_cast<const uint8_t*>(nothing.data());
    auto* out = reinterpret_cast<uint8_t*>(raw.data()) + y * (width + 1);
    out[0] = kPaeth;
    filter_paeth(row, above, width, out + 1);
  }
  z_stream stream{};
  check(deflateInit2(&stream, 3, Z_DEFLATED, 15, 9, Z_RLE) == Z_OK, "png: zlib could not begin");
  std::string packed(deflateBound(&stream, raw.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(raw.data());
  stream.avail_in = static_cast<uInt>(raw.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  const int status = deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  check(status == Z_STREAM_END, "png: zlib gave up with status {}", status);
  return packed;
}

std::string encode_png(const Pixels& pixels, std::string_view comment) {
  const std::string data = png_image_data(pixels);
  return std::string(kPngSignature) + png_chunk("IHDR", png_header(pixels.width, pixels.height)) +
         (comment.empty() ? "" : png_chunk("tEXt", std::string(kComment) + std::string(comment))) +
         png_chunk("IDAT", data) + png_chunk("IEND", "");
}

std::string_view read_png_comment(std::string_view file) {
  // Behind the signature and IHDR's chunk: length, type, data, checksum.
  const size_t at = kPngSignature.size() + 25, begin = at + 8 + kComment.size();
  if (file.size() < begin || !file.starts_with(kPngSignature) || file.substr(at + 4, 4) != "tEXt" ||
      file.substr(at + 8, kComment.size()) != kComment)
    return {};
  size_t length = 0;
  for (size_t i = at; i < at + 4; ++i) length = length << 8 | static_cast<uint8_t>(file[i]);
  if (length < kComment.size() || length > file.size() - at - 8) return {};
  return file.substr(begin, length - kComment.size());
}

}  // namespace bevgrad
