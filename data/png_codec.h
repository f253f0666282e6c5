// PNG in (libpng).
#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "data/image_codec.h"

namespace bevgrad {

/// Whether bytes begin as a PNG does.
bool is_png(std::span<const uint8_t> bytes);

/// Decodes a whole PNG of at most 64 million pixels to uint8 [3,H,W] RGB: palettes and grey values become colours, 16
/// bits 8, and an alpha channel is left out. `where` opens every error. Thread-safe.
Tensor decode_png(std::span<const uint8_t> png, const std::string& where);

struct PngSize {
  int64_t width = 0, height = 0;
};

/// Calls `use` with every row of a PNG as one layer: the grey value, the palette's index or, of a coloured picture, its
/// red. The picture is never held whole, so it may have up to `most` pixels, but it must not be interlaced.
PngSize read_png_rows(std::span<const uint8_t> png, const std::string& where, int64_t most,
                      const std::function<void(int64_t row, std::span<const uint8_t> values)>& use);

}  // namespace bevgrad
