// The ground of a layout as a picture seen from above, finely sampled, with coarser and coarser copies for what is far
// away.
#pragma once
#include <cstdint>
#include <vector>

#include "data/scene/layout.h"

namespace bevgrad::scene {

/// Colour and LiDAR reflectivity (255 = 1) of a patch of ground.
struct Texel {
  uint8_t r = 0, g = 0, b = 0, reflectivity = 0;
};

class GroundRaster {
 public:
  static constexpr int kLevels = 6;

  /// Covers what lies within `reach` metres of the visited places, `cell` metres a texel.
  GroundRaster(const Layout& layout, const std::vector<Vec2>& visited, double reach, double cell, uint64_t noise_key);

  Vec2 origin() const { return origin_; }
  double cell() const { return cell_; }

  /// The texel at a place relative to `origin`, in metres, from a level whose texels are cell * 2^level wide.
  Texel at(float x, float y, int level) const {
    const Level& l = levels_[static_cast<size_t>(level)];
    const float scale = l.inverse_cell;
    const int column = static_cast<int>(x * scale), row = static_cast<int>(y * scale);
    if (x < 0 || y < 0 || column >= l.width || row >= l.height) return outside_;
    return l.texels[static_cast<size_t>(row) * static_cast<size_t>(l.width) + static_cast<size_t>(column)];
  }

  /// The finest level between its texels' centres, for what is so near that a texel covers several pixels.
  Rgb between(float x, float y) const {
    const Level& l = levels_[0];
    const float u = x * l.inverse_cell - 0.5f, v = y * l.inverse_cell - 0.5f;
    const int column = static_cast<int>(u), row = static_cast<int>(v);
    if (u < 0 || v < 0 || column + 1 >= l.width || row + 1 >= l.height) return colour(outside_);
    const Texel* a = &l.texels[static_cast<size_t>(row) * static_cast<size_t>(l.width) + static_cast<size_t>(column)];
    const Texel* b = a + l.width;
    const float s = u - static_cast<float>(column), t = v - static_cast<float>(row);
    return (colour(a[0]) * (1 - s) + colour(a[1]) * s) * (1 - t) + (colour(b[0]) * (1 - s) + colour(b[1]) * s) * t;
  }

  static Rgb colour(Texel t) { return {static_cast<float>(t.r), static_cast<float>(t.g), static_cast<float>(t.b)}; }

 private:
  struct Level {
    int width = 0, height = 0;
    float inverse_cell = 1;
    std::vector<Texel> texels;
  };

  template <class Shade>
  void fill(const std::vector<Vec2>& polygon, const Shade& shade);
  void fill_surface(const std::vector<Vec2>& polygon, Surface surface, float shade);
  void fill_paint(const Paint& paint);
  void build_levels();

  Vec2 origin_;
  double cell_;
  uint64_t noise_key_;
  Texel outside_ = {110, 108, 100, 40};
  std::vector<Level> levels_;
};

}  // namespace bevgrad::scene
