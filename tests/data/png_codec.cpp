#include "data/png_codec.h"

#include <png.h>
#include <zlib.h>

#include "made_data.h"

namespace bevgrad {
namespace {

using testing::error_of;
using ::testing::HasSubstr;

void append(png_structp png, png_bytep data, size_t size) {
  static_cast<std::string*>(png_get_io_ptr(png))->append(reinterpret_cast<const char*>(data), size);
}

struct Form {
  int color = PNG_COLOR_TYPE_RGB, depth = 8;
  bool interlaced = false;
  size_t channels = 3;
};

/// 5x3 pixels whose first channel is 10 * y + x, the others 100 and 200.
std::string encode(const Form& form) {
  std::string out;
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  png_set_write_fn(png, &out, append, nullptr);
  png_set_IHDR(png, info, 5, 3, form.depth, form.color, form.interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_color palette[64];
  for (int i = 0; i < 64; ++i) palette[i] = {static_cast<png_byte>(i), 100, 200};
  if (form.color == PNG_COLOR_TYPE_PALETTE) png_set_PLTE(png, info, palette, 64);
  png_write_info(png, info);
  std::vector<std::vector<png_byte>> rows(3);
  std::vector<png_bytep> pointers;
  for (int y = 0; y < 3; ++y) {
    for (int x = 0; x < 5; ++x)
      for (size_t c = 0; c < form.channels; ++c) {
        rows[static_cast<size_t>(y)].push_back(static_cast<png_byte>(c == 0 ? 10 * y + x : 100 * c));
        if (form.depth == 16) rows[static_cast<size_t>(y)].push_back(77);
      }
    pointers.push_back(rows[static_cast<size_t>(y)].data());
  }
  png_write_image(png, pointers.data());
  png_write_end(png, info);
  png_destroy_write_struct(&png, &info);
  return out;
}

std::span<const uint8_t> view(const std::string& bytes) {
  return {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()};
}

TEST(Png, EveryFormBecomesColours) {
  for (const Form& form : {Form{}, Form{PNG_COLOR_TYPE_RGB, 16}, Form{PNG_COLOR_TYPE_RGB, 8, true},
                           Form{PNG_COLOR_TYPE_RGBA, 8, false, 4}, Form{PNG_COLOR_TYPE_PALETTE, 8, false, 1},
                           Form{PNG_COLOR_TYPE_GRAY, 8, false, 1}, Form{PNG_COLOR_TYPE_GRAY_ALPHA, 16, true, 2}}) {
    const std::string png = encode(form);
    const Tensor image = decode_png(view(png), "a.png");
    ASSERT_EQ(image.sizes(), (Shape{3, 3, 5}));
    const uint8_t* pixel = image.data<const uint8_t>() + (2 * 5 + 3) * 3;
    const bool is_grey = form.color == PNG_COLOR_TYPE_GRAY || form.color == PNG_COLOR_TYPE_GRAY_ALPHA;
    EXPECT_EQ(pixel[0], 23);
    EXPECT_EQ(pixel[1], is_grey ? 23 : 100);
    EXPECT_EQ(pixel[2], is_grey ? 23 : 200);
    if (form.interlaced) continue;
    std::vector<int> layer;
    read_png_rows(view(png), "a.png", 15,
                  [&](int64_t, std::span<const uint8_t> row) { layer.insert(layer.end(), row.begin(), row.end()); });
    EXPECT_EQ(layer.size(), 15u);
    EXPECT_EQ(layer[2 * 5 + 3], 23);
  }
}

TEST(Png, WhatIsDamagedIsRefused) {
  const std::string whole = encode({});
  for (size_t size = 8; size < whole.size(); size += 5)
    EXPECT_THAT(error_of([&] { decode_png(view(whole.substr(0, size)), "a.png"); }), HasSubstr("a.png: damaged PNG: "));
  std::string changed = whole;
  changed[whole.find("IDAT") + 8] ^= 1;
  EXPECT_THAT(error_of([&] { decode_png(view(changed), "a.png"); }), HasSubstr("a.png: damaged PNG: "));
  EXPECT_THAT(error_of([&] { decode_png(view("GIF89a..."), "a.png"); }), HasSubstr("a.png: not a PNG"));
}

TEST(Png, TheSizeIsLimitedBeforeAnythingIsAllocated) {
  std::string huge = encode({});
  for (size_t i : {17u, 21u}) huge[i] = 1;  // 65541 x 65539
  const uint32_t crc = static_cast<uint32_t>(crc32(0, reinterpret_cast<const Bytef*>(huge.data()) + 12, 17));
  for (size_t i = 0; i < 4; ++i) huge[29 + i] = static_cast<char>(crc >> (24 - 8 * i));
  EXPECT_THAT(error_of([&] { decode_png(view(huge), "a.png"); }), HasSubstr("65541x65539 pixels, expected at most"));
}

}  // namespace
}  // namespace bevgrad
