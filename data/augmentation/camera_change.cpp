#include "data/augmentation/camera_change.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <span>
#include <vector>

#include "data/image_codec.h"
#include "data/sample.h"

namespace bevgrad {
namespace {

/// A row-major 2x3 map of pixels (u, v, 1).
using PixelMap = std::array<double, 6>;

/// The picture that shows at (u, v) what `image` shows at map (u, v); black beyond its outermost pixels' edges.
Tensor resampled(const Tensor& image, const PixelMap& map) {
  const auto height = static_cast<int>(image.size(1)), width = static_cast<int>(image.size(2));
  Tensor result = empty_image(height, width);
  const uint8_t* in = image.data<const uint8_t>();
  uint8_t* out = result.data<uint8_t>();
  constexpr int kOne = 256;  // weights are multiples of its inverse
  for (int v = 0; v < height; ++v)
    for (int u = 0; u < width; ++u, out += 3) {
      const double x = map[0] * u + map[1] * v + map[2], y = map[3] * u + map[4] * v + map[5];
      if (!(x >= -0.5 && x <= width - 0.5 && y >= -0.5 && y <= height - 0.5)) {
        out[0] = out[1] = out[2] = 0;
        continue;
      }
      const double cx = std::clamp(x, 0.0, width - 1.0), cy = std::clamp(y, 0.0, height - 1.0);
      const int left = static_cast<int>(cx), top = static_cast<int>(cy);
      const int right = std::min(left + 1, width - 1), bottom = std::min(top + 1, height - 1);
      const int wx = static_cast<int>((cx - left) * kOne + 0.5), wy = static_cast<int>((cy - top) * kOne + 0.5);
      const uint8_t* a = in + 3 * (static_cast<size_t>(top) * width + left);
      const uint8_t* b = in + 3 * (static_cast<size_t>(top) * width + right);
      const uint8_t* c = in + 3 * (static_cast<size_t>(bottom) * width + left);
      const uint8_t* d = in + 3 * (static_cast<size_t>(bottom) * width + right);
      for (int k = 0; k < 3; ++k) {
        const int above = a[k] * (kOne - wx) + b[k] * wx, below = c[k] * (kOne - wx) + d[k] * wx;
        out[k] = static_cast<uint8_t>((above * (kOne - wy) + below * wy + kOne * kOne / 2) / (kOne * kOne));
      }
    }
  return result;
}

/// The pixel that the map takes to `pixel`.
Vec2 before_map(const PixelMap& map, Vec2 pixel) {
  const double determinant = map[0] * map[4] - map[1] * map[3];
  const Vec2 off = pixel - Vec2{map[2], map[5]};
  return {(map[4] * off.x - map[1] * off.y) / determinant, (map[0] * off.y - map[3] * off.x) / determinant};
}

/// The camera whose image is this one's mirrored left-right.
void mirror_intrinsics(Camera& camera) {
  camera.cx = camera.width - 1 - camera.cx;
  // The tangential terms pull towards a direction of the image; p2 is its part along u.
  if (!camera.is_fisheye()) camera.distortion[3] = -camera.distortion[3];
}

void turn_distortion(Camera& camera, double c, double s) {
  if (camera.is_fisheye()) return;
  const double p1 = camera.distortion[2], p2 = camera.distortion[3];
  camera.distortion[3] = c * p2 - s * p1;
  camera.distortion[2] = s * p2 + c * p1;
}

/// One dimension's blur: [1,2,1]-like taps of a Gaussian, edges repeated.
void blur_line(const uint8_t* in, uint8_t* out, int count, int step, std::span<const int> taps) {
  const int reach = static_cast<int>(taps.size()) / 2;
  for (int i = 0; i < count; ++i)
    for (int k = 0; k < 3; ++k) {
      int sum = 1 << 15;
      for (int t = -reach; t <= reach; ++t)
        sum += taps[static_cast<size_t>(t + reach)] * in[std::clamp(i + t, 0, count - 1) * step + k];
      out[i * step + k] = static_cast<uint8_t>(sum >> 16);
    }
}

Tensor blurred(const Tensor& image, double deviation) {
  const int reach = static_cast<int>(std::ceil(2.5 * deviation));
  std::vector<double> weights;
  double sum = 0;
  for (int t = -reach; t <= reach; ++t) {
    weights.push_back(std::exp(-t * t / (2 * deviation * deviation)));
    sum += weights.back();
  }
  std::vector<int> taps;
  int all = 0;
  for (const double weight : weights) {
    taps.push_back(static_cast<int>(weight / sum * (1 << 16)));
    all += taps.back();
  }
  taps[static_cast<size_t>(reach)] += (1 << 16) - all;
  const auto height = static_cast<int>(image.size(1)), width = static_cast<int>(image.size(2));
  Tensor across = empty_image(height, width), result = empty_image(height, width);
  for (int v = 0; v < height; ++v)
    blur_line(image.data<const uint8_t>() + 3 * width * v, across.data<uint8_t>() + 3 * width * v, width, 3, taps);
  for (int u = 0; u < width; ++u)
    blur_line(across.data<const uint8_t>() + 3 * u, result.data<uint8_t>() + 3 * u, height, 3 * width, taps);
  return result;
}

void colour(uint8_t* pixels, int64_t count, const PictureChange& change) {
  const float saturation = static_cast<float>(change.saturation), contrast = static_cast<float>(change.contrast);
  for (int64_t i = 0; i < count; ++i, pixels += 3) {
    const float grey = 0.299f * pixels[0] + 0.587f * pixels[1] + 0.114f * pixels[2];
    for (int k = 0; k < 3; ++k) {
      const float value = grey + saturation * (static_cast<float>(pixels[k]) - grey);
      const float wanted = 128 + contrast * (value - 128) + static_cast<float>(change.offset[static_cast<size_t>(k)]);
      pixels[k] = static_cast<uint8_t>(std::clamp(wanted + 0.5f, 0.0f, 255.0f));
    }
  }
}

void add_noise(uint8_t* values, int64_t count, double deviation, Generator& generator) {
  for (int64_t i = 0; i < count;) {
    // Eight values of two bytes each: the sum of a byte's halves less its mean, twice, is close to normal.
    const uint64_t bits[2] = {generator.next_u64(), generator.next_u64()};
    for (int k = 0; k < 8 && i < count; ++k, ++i) {
      const auto a = static_cast<uint32_t>(bits[0] >> (8 * k)) & 255,
                 b = static_cast<uint32_t>(bits[1] >> (8 * k)) & 255;
      // Four uniform numbers 0..15, variance 21.25 each.
      const int sum = static_cast<int>((a & 15) + (a >> 4) + (b & 15) + (b >> 4)) - 30;
      const double value = values[i] + deviation * sum / 9.2195;
      values[i] = static_cast<uint8_t>(std::clamp(value + 0.5, 0.0, 255.0));
    }
  }
}

}  // namespace

void change_camera(CameraImage& image, const CameraChange& change, const EgoChange& ego) {
  Camera& camera = image.camera;
  camera.sensor2ego = ego.apply_to_sensor(camera.sensor2ego);
  if (ego.mirror) mirror_intrinsics(camera);
  const Camera before = camera;  // of the mirrored picture
  const double width = camera.width, height = camera.height;
  camera.fx *= change.zoom;
  camera.fy *= change.zoom;
  camera.cx = (camera.cx + 0.5 - width / 2) * change.zoom + width * (0.5 + change.shift_u) - 0.5;
  camera.cy = (camera.cy + 0.5 - height / 2) * change.zoom + height * (0.5 + change.shift_v) - 0.5;
  const double c = std::cos(change.roll), s = std::sin(change.roll);
  turn_distortion(camera, c, s);
  // With x right and y down a turn of the picture clockwise is one from x to y.
  const Pose turn{{c, s, 0, 0, -s, c, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1}};
  camera.sensor2ego = camera.sensor2ego * turn;
  if (camera == before && !ego.mirror) return;
  // Pixel -> ray of the image plane -> turned back -> pixel of the picture before.
  const double ux = before.fx / camera.fx, uy = before.fx / camera.fy, vx = before.fy / camera.fx,
               vy = before.fy / camera.fy;
  PixelMap map = {c * ux,  s * uy, before.cx - c * ux * camera.cx - s * uy * camera.cy,
                  -s * vx, c * vy, before.cy + s * vx * camera.cx - c * vy * camera.cy};
  if (ego.mirror) map = {-map[0], -map[1], width - 1 - map[2], map[3], map[4], map[5]};
  for (std::vector<Vec2>& polygon : camera.ego_mask)
    for (Vec2& corner : polygon) corner = before_map(map, corner);
  if (image.image.defined()) image.image = resampled(image.image, map);
}

void change_picture(CameraImage& camera, const PictureChange& change, Generator& generator) {
  const int64_t height = camera.image.size(1), width = camera.image.size(2);
  Tensor image = empty_image(height, width);
  uint8_t* pixels = image.data<uint8_t>();
  const int64_t count = height * width;
  if (change.dropped) {
    std::fill_n(pixels, 3 * count, uint8_t{0});
    camera.image = image;
    return;
  }
  std::copy_n(camera.image.data<const uint8_t>(), 3 * count, pixels);
  const bool recoloured = change.contrast != 1 || change.saturation != 1 || change.offset != std::array{0.0, 0.0, 0.0};
  if (recoloured) colour(pixels, count, change);
  if (change.blur > 0) image = blurred(image, change.blur);
  if (change.noise > 0) add_noise(image.data<uint8_t>(), 3 * count, change.noise, generator);
  if (change.jpeg_quality > 0) {
    const std::string jpeg = encode_jpeg(image, change.jpeg_quality);
    image = decode_jpeg({reinterpret_cast<const uint8_t*>(jpeg.data()), jpeg.size()}, {height, width}, {height, width},
                        "augmentation: camera '" + camera.name + "'");
  }
  camera.image = image;
}

}  // namespace bevgrad
