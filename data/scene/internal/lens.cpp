#include "scene/internal/lens.h"

#include <algorithm>
#include <cmath>

namespace bevgrad::scene {

namespace {

constexpr uint64_t kDropFrames = 8;  // for which a drop stays

uint8_t blended(uint8_t from, float to, float share) {
  return static_cast<uint8_t>(std::clamp(static_cast<float>(from) * (1 - share) + to * share + 0.5f, 0.0f, 255.0f));
}

/// 1 in the middle of a spot, 0 at its edge and beyond; `distance` in its radii.
float softness(float distance) {
  const float t = std::clamp((1 - distance) * 1.6f, 0.0f, 1.0f);
  return t * t * (3 - 2 * t);
}

/// Calls `paint(x, y, distance in radii)` for the pixels of a disc.
template <class Paint>
void over_disc(int width, int height, float cx, float cy, float radius, Paint paint) {
  const int y0 = std::max(0, static_cast<int>(cy - radius)), y1 = std::min(height - 1, static_cast<int>(cy + radius));
  const int x0 = std::max(0, static_cast<int>(cx - radius)), x1 = std::min(width - 1, static_cast<int>(cx + radius));
  for (int y = y0; y <= y1; ++y)
    for (int x = x0; x <= x1; ++x) {
      const float dx = (static_cast<float>(x) - cx) / radius, dy = (static_cast<float>(y) - cy) / radius;
      const float distance = std::sqrt(dx * dx + dy * dy);
      if (distance < 1) paint(x, y, distance);
    }
}

float daylight(const Lighting& light) {
  return std::clamp((light.ambient + light.sun_strength) * light.exposure, 0.2f, 1.2f);
}

}  // namespace

Lens::Lens(const Camera& camera, const Weather& weather, Random random)
    : camera_(camera), weather_(weather), random_(random) {
  Random dice = random.fork(1);
  const auto width = static_cast<double>(camera.width), height = static_cast<double>(camera.height);
  if (weather.dirt)
    for (int i = dice.integer(5, 14); i > 0; --i)
      dirt_.push_back({static_cast<float>(dice.uniform(0, width)), static_cast<float>(dice.uniform(0, height)),
                       static_cast<float>(std::max(1.5, width * dice.uniform(0.012, 0.06))),
                       static_cast<float>(dice.uniform(0.4, 0.95))});
}

void Lens::spoil(const Surroundings& world, uint64_t frame, uint8_t* rgb) const {
  if (weather_.glare) add_glare(world, rgb);
  if (weather_.rain) {
    add_rain(world, frame, rgb);
    add_drops(frame, rgb);
  }
  if (!dirt_.empty()) add_dirt(world, rgb);
}

void Lens::add_glare(const Surroundings& world, uint8_t* rgb) const {
  const Direction& sun = world.light.sun;
  const Vec3 eye = camera_.sensor2ego.translation();
  const auto pixel =
      CameraProjector(camera_).project({eye.x + 1000.0 * sun.x, eye.y + 1000.0 * sun.y, eye.z + 1000.0 * sun.z});
  if (!pixel) return;
  const auto cx = static_cast<float>(pixel->u), cy = static_cast<float>(pixel->v);
  const float halo = 0.16f * static_cast<float>(camera_.width), disc = 0.02f * static_cast<float>(camera_.width);
  for (int y = 0; y < camera_.height; ++y)
    for (int x = 0; x < camera_.width; ++x, rgb += 3) {
      const float dx = static_cast<float>(x) - cx, dy = static_cast<float>(y) - cy, r2 = dx * dx + dy * dy;
      const float veil = std::min(1.0f, 0.75f / (1 + r2 / (halo * halo)) + std::exp(-r2 / (disc * disc)));
      rgb[0] = blended(rgb[0], 255, veil);
      rgb[1] = blended(rgb[1], 250, veil);
      rgb[2] = blended(rgb[2], 232, veil);
    }
}

void Lens::add_rain(const Surroundings& world, uint64_t frame, uint8_t* rgb) const {
  const float grey = 190 * daylight(world.light);
  const int width = camera_.width, height = camera_.height;
  for (int64_t i = 0; i < int64_t{3} * width * height; ++i) rgb[i] = blended(rgb[i], grey * 0.9f, 0.16f);
  Random dice = random_.fork(1000 + frame);
  for (int i = width * height / 700; i > 0; --i) {
    double x = dice.uniform(0, width), y = dice.uniform(0, height);
    const double length = height * dice.uniform(0.02, 0.07), slant = dice.uniform(-0.08, 0.08);
    for (double s = 0; s < length; s += 1, y += 1, x += slant) {
      const auto column = static_cast<int64_t>(x), row = static_cast<int64_t>(y);
      if (column < 0 || column >= width || row >= height) break;
      for (int c = 0; c < 3; ++c) {
        uint8_t& value = rgb[3 * (row * width + column) + c];
        value = blended(value, grey + 30, 0.3f);
      }
    }
  }
}

/// A drop is a small lens: what lies around it, upside down.
void Lens::add_drops(uint64_t frame, uint8_t* rgb) const {
  const int width = camera_.width, height = camera_.height;
  const std::vector<uint8_t> clear(rgb, rgb + int64_t{3} * width * height);
  for (uint64_t number = 0; number < 24; ++number) {
    // Each drop has its own beat.
    Random dice = random_.fork(5000 + number).fork((frame + number) / kDropFrames);
    const auto cx = static_cast<float>(dice.uniform(0, width)), cy = static_cast<float>(dice.uniform(0, height));
    const auto radius = static_cast<float>(std::max(1.5, width * dice.uniform(0.008, 0.028)));
    over_disc(width, height, cx, cy, radius, [&](int x, int y, float distance) {
      const int fx = std::clamp(static_cast<int>(cx - (static_cast<float>(x) - cx) * 4), 0, width - 1);
      const int fy = std::clamp(static_cast<int>(cy - (static_cast<float>(y) - cy) * 4), 0, height - 1);
      const float share = softness(distance) * 0.9f, rim = distance > 0.75f ? 0.75f : 1.05f;
      for (int c = 0; c < 3; ++c) {
        uint8_t& value = rgb[3 * (int64_t{y} * width + x) + c];
        value = blended(value, rim * static_cast<float>(clear[static_cast<size_t>(3 * (int64_t{fy} * width + fx) + c)]),
                        share);
      }
    });
  }
}

void Lens::add_dirt(const Surroundings& world, uint8_t* rgb) const {
  const Rgb colour = Rgb{96, 84, 66} * daylight(world.light);
  for (const Spot& spot : dirt_)
    over_disc(camera_.width, camera_.height, spot.x, spot.y, spot.radius, [&](int x, int y, float distance) {
      uint8_t* pixel = rgb + 3 * (int64_t{y} * camera_.width + x);
      const float share = spot.opacity * softness(distance);
      pixel[0] = blended(pixel[0], colour.r, share);
      pixel[1] = blended(pixel[1], colour.g, share);
      pixel[2] = blended(pixel[2], colour.b, share);
    });
}

}  // namespace bevgrad::scene
