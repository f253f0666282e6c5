// Everything that the sensors of one frame look at, in the ego frame of that moment.
#pragma once
#include <vector>

#include "data/scene/bodies.h"
#include "data/scene/drive.h"
#include "data/scene/ground.h"
#include "data/scene/raycast.h"

namespace bevgrad::scene {

/// Light of a drive (sun, sky) and of a frame (exposure).
struct Lighting {
  bool night = false, indoor = false;
  double wetness = 0;
  Direction sun;  ///< towards the sun, ego frame, unit length
  float sun_strength = 0.6f, ambient = 0.5f;
  Rgb sky = {150, 180, 220};
  float exposure = 1;
};

/// Soft shadows on the ground around the ego.
class ShadowMap {
 public:
  ShadowMap();
  /// Darkens what a box between the sun and the ground hides; `strength` 0..1.
  void cast(const CastBox& box, const Direction& sun, float strength);
  /// The dark rim beneath a box in any light.
  void cast_contact(const CastBox& box, float strength);
  /// Share of light that is left, 0..1.
  float at(float x, float y) const {
    const int column = static_cast<int>((x + kBack) * (1 / kCell)), row = static_cast<int>((y + kSide) * (1 / kCell));
    if (x < -kBack || y < -kSide || column >= kColumns || row >= kRows) return 1;
    return static_cast<float>(light_[static_cast<size_t>(row * kColumns + column)]) * (1 / 255.0f);
  }

 private:
  static constexpr float kCell = 0.16f, kBack = 30, kSide = 32;
  static constexpr int kColumns = 640, kRows = 400;
  void darken(const std::vector<Vec2>& polygon, float strength);

  std::vector<uint8_t> light_;
};

/// `solids` and `boxes` go together, one box a solid; the last solid is the ego's own body.
struct Surroundings {
  const GroundRaster* ground = nullptr;
  std::vector<Solid> solids;
  std::vector<CastBox> boxes;
  std::vector<int> actors;  ///< index into the drive's actors, or -1, a solid
  ShadowMap shadows;
  Lighting light;
  float ceiling = 0;  ///< height of the ceiling, 0: open sky
  /// The ego's place on the ground raster: raster = (c x - s y + tx, s x + c y + ty).
  float cosine = 1, sine = 0, tx = 0, ty = 0;

  float raster_x(float x, float y) const { return cosine * x - sine * y + tx; }
  float raster_y(float x, float y) const { return sine * x + cosine * y + ty; }
};

/// Metres above the ground, of places that are indoors.
inline constexpr float kCeiling = 2.9f;

/// Boxes further than this from the ego are left out.
inline constexpr double kSightRange = 95;

Surroundings look_around(const Layout& layout, const Drive& drive, const DriveFrame& frame, const GroundRaster& ground,
                         const Lighting& light);

}  // namespace bevgrad::scene
