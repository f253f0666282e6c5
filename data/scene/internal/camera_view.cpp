#include "scene/internal/camera_view.h"

#include <algorithm>
#include <cmath>

namespace bevgrad::scene {

namespace {

Rgb operator*(Rgb a, Rgb b) {
  return {a.r * b.r, a.g * b.g, a.b * b.b};
}

Rgb blend(Rgb a, Rgb b, float t) {
  return a * (1 - t) + b * t;
}

/// Lamps above a garage or a street at night make pools of light, a grid of them 9 m apart.
float lamp_pool(float x, float y) {
  const float u = x / 9 - std::floor(x / 9) - 0.5f, v = y / 9 - std::floor(y / 9) - 0.5f;
  return std::max(0.0f, 1 - 3.2f * (u * u + v * v));
}

/// How far the light at a spot of the ego frame reaches, without the sun: ambient, lamps, the ego's headlights.
float local_light(const Surroundings& world, float x, float y) {
  const Lighting& light = world.light;
  float value = light.ambient;
  if (light.indoor || light.night)
    value += (light.indoor ? 0.42f : 0.16f) * lamp_pool(world.raster_x(x, y), world.raster_y(x, y));
  if (light.night && x > 2) {
    const float ahead = x - 2, spread = y / (ahead + 2.5f);
    value += 0.95f * std::max(0.0f, 1 - 2.2f * spread * spread) / (1 + ahead * ahead / 260);
  }
  return value;
}

/// Smooth noise over the ground, features about 2.5 m wide: where puddles are.
float puddle(float x, float y) {
  const float u = x / 2.5f, v = y / 2.5f;
  const int i = static_cast<int>(u), j = static_cast<int>(v);
  const float a = u - static_cast<float>(i), b = v - static_cast<float>(j);
  const float top = hash_noise(i, j, 99) * (1 - a) + hash_noise(i + 1, j, 99) * a;
  const float bottom = hash_noise(i, j + 1, 99) * (1 - a) + hash_noise(i + 1, j + 1, 99) * a;
  return top * (1 - b) + bottom * b;
}

}  // namespace

CameraView::CameraView(const Camera& camera) : camera_(camera) {
  const CameraProjector projector(camera);
  const Vec3 o = camera.sensor2ego.translation();
  origin_ = {static_cast<float>(o.x), static_cast<float>(o.y), static_cast<float>(o.z)};
  pixel_angle_ = static_cast<float>(1 / std::max(camera.fx, camera.fy));
  rays_.resize(static_cast<size_t>(camera.width) * static_cast<size_t>(camera.height));
  const double half = std::hypot(camera.width, camera.height) / 2;
  for (int row = 0; row < camera.height; ++row)
    for (int column = 0; column < camera.width; ++column) {
      PixelRay& ray = rays_[static_cast<size_t>(row) * static_cast<size_t>(camera.width) + static_cast<size_t>(column)];
      const auto found = projector.unproject({static_cast<double>(column), static_cast<double>(row)});
      if (!found) continue;
      ray.direction = {static_cast<float>(found->direction.x), static_cast<float>(found->direction.y),
                       static_cast<float>(found->direction.z)};
      ray.bin = static_cast<int16_t>(SensorView::bin(found->direction.x, found->direction.y));
      const double r = std::hypot(column - camera.width / 2.0, row - camera.height / 2.0) / half;
      ray.vignette = static_cast<uint8_t>(255 * (1 - 0.32 * r * r));
    }
}

Rgb CameraView::ground_colour(const Surroundings& world, const PixelRay& ray, float t) const {
  const Direction& d = ray.direction;
  const float x = origin_.x + d.x * t, y = origin_.y + d.y * t;
  // A pixel's patch of ground is long and narrow: a level that fits its width, some samples along its length.
  const float across = t * pixel_angle_, along = across / std::max(0.02f, -d.z);
  const float texels = across * 0.8f / static_cast<float>(world.ground->cell());
  const int level = texels < 1.4f ? 0 : std::min(GroundRaster::kLevels - 1, static_cast<int>(std::log2(texels) + 0.5f));
  Rgb colour;
  if (across < static_cast<float>(world.ground->cell()) * 0.7f) {
    colour = world.ground->between(world.raster_x(x, y), world.raster_y(x, y));
  } else {
    const int samples = std::clamp(static_cast<int>(along / across + 0.5f), 1, 4);
    const float horizontal = std::sqrt(d.x * d.x + d.y * d.y);
    const float step = along / static_cast<float>(samples) / std::max(1e-4f, horizontal);
    for (int i = 0; i < samples; ++i) {
      const float shift = (static_cast<float>(i) - static_cast<float>(samples - 1) / 2) * step;
      const float sx = x + d.x * shift, sy = y + d.y * shift;
      colour = colour + GroundRaster::colour(world.ground->at(world.raster_x(sx, sy), world.raster_y(sx, sy), level));
    }
    colour = colour * (1 / static_cast<float>(samples));
  }

  const Lighting& light = world.light;
  const float open = world.shadows.at(x, y);
  float brightness = local_light(world, x, y) * (0.5f + 0.5f * open);
  if (!light.night && !light.indoor) brightness += light.sun_strength * std::max(0.0f, light.sun.z) * open;
  colour = colour * brightness;
  if (light.wetness > 0) {
    const float grazing = 1 + d.z;  // 0 looking straight down, 1 along the ground
    const float wet = static_cast<float>(light.wetness) *
                      std::clamp((puddle(world.raster_x(x, y), world.raster_y(x, y)) - 0.35f) * 3, 0.0f, 1.0f);
    const float mirror = grazing * grazing * grazing * grazing;
    colour = blend(colour * (1 - 0.3f * wet), light.sky * (light.night ? 0.5f : 1.0f), 0.75f * wet * mirror);
  }
  return colour;
}

Rgb CameraView::box_colour(const Surroundings& world, const PixelRay& ray, const Hit& hit) const {
  const Direction& d = ray.direction;
  const CastBox& box = world.boxes[static_cast<size_t>(hit.box)];
  const float x = origin_.x + d.x * hit.t, y = origin_.y + d.y * hit.t, z = origin_.z + d.z * hit.t;
  const float dx = x - box.x, dy = y - box.y;
  const Spot spot = {box.cosine * dx + box.sine * dy, -box.sine * dx + box.cosine * dy, z, hit.axis, hit.positive};
  const Lighting& light = world.light;
  const Appearance look = appearance(world.solids[static_cast<size_t>(hit.box)], spot, light.night);
  if (look.shines || (look.glows && (light.night || light.indoor))) return look.colour * 1.1f;
  const float side = hit.positive ? 1.0f : -1.0f;
  Direction normal = {0, 0, side};
  if (hit.axis == 0) normal = {side * box.cosine, side * box.sine, 0};
  if (hit.axis == 1) normal = {-side * box.sine, side * box.cosine, 0};
  float brightness = local_light(world, x, y) * (hit.axis == 2 ? 1.05f : 0.78f + 0.12f * normal.x);
  if (!light.night && !light.indoor) {
    const float towards = normal.x * light.sun.x + normal.y * light.sun.y + normal.z * light.sun.z;
    brightness += light.sun_strength * std::max(0.0f, towards);
  }
  return look.colour * brightness;
}

void CameraView::render(const Surroundings& world, const SensorView& view, double noise, Random random,
                        uint8_t* rgb) const {
  // Noise comes from a table, entered at a new place a frame.
  std::vector<int8_t> table(8192);
  for (int8_t& value : table) {
    const double n = random.uniform() + random.uniform() + random.uniform() + random.uniform() - 2;
    value = static_cast<int8_t>(std::clamp(n * 1.732 * noise, -127.0, 127.0));
  }
  const Lighting& light = world.light;
  const Rgb fog = light.indoor ? Rgb{70, 70, 66} : light.sky;
  uint32_t step = static_cast<uint32_t>(random.bits()) | 1;
  for (size_t i = 0; i < rays_.size(); ++i) {
    const PixelRay& ray = rays_[i];
    uint8_t* pixel = rgb + 3 * i;
    if (ray.bin < 0) {
      pixel[0] = pixel[1] = pixel[2] = 0;
      continue;
    }
    const Direction& d = ray.direction;
    float limit = static_cast<float>(kSightRange);
    bool flat = false;
    if (d.z < -1e-4f && origin_.z / -d.z < limit) {
      limit = origin_.z / -d.z;
      flat = true;
    } else if (world.ceiling > 0 && d.z > 1e-4f) {
      limit = std::min(limit, (world.ceiling - origin_.z) / d.z);
    }
    const Hit hit = view.cast(d, ray.bin, limit);
    Rgb colour;
    if (hit.box >= 0) {
      colour = box_colour(world, ray, hit);
    } else if (flat) {
      colour = ground_colour(world, ray, limit);
    } else if (world.ceiling > 0) {
      const float x = origin_.x + d.x * limit, y = origin_.y + d.y * limit;
      const float pool = lamp_pool(world.raster_x(x, y), world.raster_y(x, y));
      colour = pool > 0.93f ? Rgb{250, 250, 240} : Rgb{96, 96, 92} * (light.ambient + 0.25f * pool);
    } else {
      colour = blend(light.sky * 1.12f, light.sky * Rgb{0.7f, 0.82f, 1}, std::clamp(d.z * 1.6f, 0.0f, 1.0f));
    }
    const float haze = std::min(0.5f, hit.t / 260);
    if (hit.box >= 0 || flat) colour = blend(colour, fog * (light.night ? 0.3f : 0.9f), haze);
    const float gain = light.exposure * static_cast<float>(ray.vignette) * (1 / 255.0f);
    step = step * 1664525u + 1013904223u;
    const float values[3] = {colour.r * gain, colour.g * gain, colour.b * gain};
    for (int c = 0; c < 3; ++c) {
      const auto grain = static_cast<float>(table[(step >> (8 + 4 * c)) & 8191]);
      pixel[c] = static_cast<uint8_t>(std::clamp(values[c] + grain + 0.5f, 0.0f, 255.0f));
    }
  }
}

}  // namespace bevgrad::scene
