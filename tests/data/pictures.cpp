#include <cmath>

#include "internal/raster.h"
#include "made_data.h"

namespace bevgrad {
namespace {

/// A picture whose red value is linear in x and green in y: resizing must keep it so where u' = (u+0.5)*s-0.5.
TEST(ResizeImage, MapsPixelAreasOntoPixelAreas) {
  Tensor image = empty_image(120, 240);
  for (int y = 0; y < 120; ++y)
    for (int x = 0; x < 240; ++x) {
      uint8_t* pixel = image.data<uint8_t>() + (y * 240 + x) * 3;
      pixel[0] = static_cast<uint8_t>(x);
      pixel[1] = static_cast<uint8_t>(y);
      pixel[2] = 9;
    }
  for (auto [height, width] : {std::pair{40, 80}, {50, 77}, {119, 239}, {120, 60}, {200, 480}}) {
    Tensor resized = resize_image(image, {height, width});
    ASSERT_EQ(resized.sizes(), (Shape{3, height, width}));
    for (int y = 2; y < height - 2; ++y)
      for (int x = 2; x < width - 2; ++x) {
        const uint8_t* pixel = resized.data<uint8_t>() + (y * width + x) * 3;
        ASSERT_NEAR(pixel[0], (x + 0.5) * 240 / width - 0.5, 0.51) << height << "x" << width << " at " << x << "," << y;
        ASSERT_NEAR(pixel[1], (y + 0.5) * 120 / height - 0.5, 0.51);
        ASSERT_EQ(pixel[2], 9);
      }
  }
}

TEST(DecodeJpeg, ScalingWhileDecodingKeepsTheGeometry) {
  Tensor image = testing::gradient_image(192, 256);
  std::string jpeg = encode_jpeg(image, 98);
  std::span<const uint8_t> bytes(reinterpret_cast<const uint8_t*>(jpeg.data()), jpeg.size());
  Tensor direct = resize_image(decode_jpeg(bytes, {192, 256}, {192, 256}, "test"), {40, 56});
  Tensor scaled = decode_jpeg(bytes, {192, 256}, {40, 56}, "test");
  auto a = direct.to_vector(), b = scaled.to_vector();
  for (size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], 3);
}

TEST(DecodeJpeg, ADamagedPictureDoesNotSpoilTheNextOne) {
  std::string jpeg = encode_jpeg(testing::gradient_image(24, 32), 90);
  auto decode = [&](size_t length) {
    std::span<const uint8_t> bytes(reinterpret_cast<const uint8_t*>(jpeg.data()), length);
    return decode_jpeg(bytes, {24, 32}, {24, 32}, "test");
  };
  const auto whole = decode(jpeg.size()).to_vector();
  for (size_t length = 0; length < jpeg.size() - 2; length += 5) {
    EXPECT_THROW(decode(length), Error) << length;
    ASSERT_EQ(decode(jpeg.size()).to_vector(), whole) << "after " << length << " of " << jpeg.size() << " bytes";
  }
}

TEST(DecodeJpeg, StrayBytesAreNoDamageWhileMissingOnesAre) {
  const Tensor image = testing::gradient_image(48, 64);
  const std::string whole = encode_jpeg(image, 90);
  const auto decode = [&](const std::string& jpeg, std::string* remark) {
    std::span<const uint8_t> bytes(reinterpret_cast<const uint8_t*>(jpeg.data()), jpeg.size());
    return decode_jpeg(bytes, {48, 64}, {48, 64}, "test", remark).to_vector();
  };
  std::string remark;
  const auto expected = decode(whole, &remark);
  EXPECT_EQ(remark, "");
  for (const size_t at : {whole.size() - 2, whole.find("\xff\xc4"), whole.find("\xff\xda")}) {
    std::string stray = whole;
    stray.insert(at, std::string(20, '\x05'));
    EXPECT_EQ(decode(stray, &remark), expected) << at;
    EXPECT_THAT(remark, ::testing::HasSubstr("extraneous bytes"));
    // The first thing that is wrong does not hide the second.
    stray.erase(stray.size() * 3 / 4);
    EXPECT_THROW(decode(stray, &remark), Error) << at;
    EXPECT_EQ(decode(whole, &remark), expected) << "after a damaged one";
  }
}

TEST(Raster, ALineCoversTheCellsWhoseCentresAreNear) {
  LabelGrid grid{.x_min = 0, .y_min = 0, .z_min = 0, .x_max = 2, .y_max = 1, .z_max = 1, .cell = 0.2};
  Tensor raster = draw_shapes({{0, false, 0, {{0.1, 0.5}, {1.9, 0.5}}}}, 1, grid, 0.6);
  auto cells = raster.to_vector();
  for (int r = 0; r < 5; ++r)
    for (int c = 0; c < 10; ++c) EXPECT_EQ(cells[r * 10 + c], r >= 1 && r <= 3) << r << "," << c;
}

TEST(Raster, APolygonCoversTheCellsWhoseCentresAreInside) {
  LabelGrid grid{.x_min = -1, .y_min = -1, .z_min = 0, .x_max = 1, .y_max = 1, .z_max = 1, .cell = 0.1};
  std::vector<Vec2> triangle = {{-0.82, -0.73}, {0.71, -0.3}, {5, 5}};
  Tensor raster = draw_shapes({{1, true, 0, triangle}}, 2, grid);
  auto cells = raster.to_vector();
  auto left = [](Vec2 a, Vec2 b, Vec2 p) { return cross(b - a, p - a) > 0; };
  for (int r = 0; r < 20; ++r)
    for (int c = 0; c < 20; ++c) {
      Vec2 p{-1 + (c + 0.5) * 0.1, -1 + (r + 0.5) * 0.1};
      bool inside =
          left(triangle[0], triangle[1], p) && left(triangle[1], triangle[2], p) && left(triangle[2], triangle[0], p);
      EXPECT_EQ(cells[400 + r * 20 + c], inside);
      EXPECT_EQ(cells[r * 20 + c], 0);
    }
}

}  // namespace
}  // namespace bevgrad
