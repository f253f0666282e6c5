// JPEG in and out (TurboJPEG), and resizing. Pictures are uint8 [3,H,W] RGB whose memory order is H,W,C.
#pragma once
#include <cstdint>
#include <span>
#include <string>

#include "tensor/tensor.h"

namespace bevgrad {

/// Uninitialised uint8 [3,H,W] with strides (1, 3W, 3).
Tensor empty_image(int64_t height, int64_t width);

struct ImageSize {
  int64_t height = 0, width = 0;
};

/// Size from a JPEG's header. `where` opens every error.
ImageSize jpeg_size(std::span<const uint8_t> jpeg, const std::string& where);

/// Decodes a JPEG and brings it to `size`. The file must be whole: a truncated or damaged one, one whose header does
/// not say `stored` or one of over 64 million pixels is refused. Where the file is at least twice as large as `size` it
/// is decoded at a half, a quarter or an eighth (exact in geometry) before it is resized. Stray bytes between a whole
/// file's parts are no damage; `remark` gets the decoder's word for them. Thread-safe.
Tensor decode_jpeg(std::span<const uint8_t> jpeg, ImageSize stored, ImageSize size, const std::string& where,
                   std::string* remark = nullptr);

/// Compresses a picture; quality 1 to 100, 4:2:0 below 90 and 4:4:4 from there on.
std::string encode_jpeg(const Tensor& image, int quality);

/// Area averaging along a dimension that shrinks, bilinear along one that grows; pixel areas map onto pixel areas, so
/// that u' = (u + 0.5) * width' / width - 0.5. Returns the image itself where the size is already right.
Tensor resize_image(const Tensor& image, ImageSize size);

}  // namespace bevgrad
