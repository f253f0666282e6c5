#include "data/scene/ground.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "geometry/polyline.h"

namespace bevgrad::scene {

namespace {

uint8_t byte(float value) {
  return static_cast<uint8_t>(std::clamp(value, 0.0f, 255.0f));
}

Texel texel(Rgb colour, float reflectivity) {
  return {byte(colour.r), byte(colour.g), byte(colour.b), byte(reflectivity * 255)};
}

}  // namespace

GroundRaster::GroundRaster(const Layout& layout, const std::vector<Vec2>& visited, double reach, double cell,
                           uint64_t noise_key)
    : cell_(cell), noise_key_(noise_key) {
  Vec2 low = visited.at(0), high = low;
  for (Vec2 p : visited) {
    low = {std::min(low.x, p.x), std::min(low.y, p.y)};
    high = {std::max(high.x, p.x), std::max(high.y, p.y)};
  }
  origin_ = low - Vec2{reach, reach};
  const double width = (high.x - low.x + 2 * reach) / cell, height = (high.y - low.y + 2 * reach) / cell;
  if (!(width * height < 2e8)) throw std::invalid_argument("ground raster: the drive covers too large an area");
  levels_.resize(kLevels);
  Level& finest = levels_[0];
  // A whole number of the coarsest texels.
  finest.width = (static_cast<int>(width) / (1 << kLevels) + 1) * (1 << kLevels);
  finest.height = (static_cast<int>(height) / (1 << kLevels) + 1) * (1 << kLevels);
  finest.inverse_cell = static_cast<float>(1 / cell);
  finest.texels.resize(static_cast<size_t>(finest.width) * static_cast<size_t>(finest.height));

  const Vec2 end = origin_ + Vec2{finest.width * cell, finest.height * cell};
  fill_surface({origin_, {end.x, origin_.y}, end, {origin_.x, end.y}}, layout.base, 1);
  for (const SurfaceArea& area : layout.surfaces) fill_surface(area.polygon, area.surface, area.shade);
  for (const Paint& stain : layout.stains) fill_paint(stain);
  for (const Paint& paint : layout.paints) fill_paint(paint);
  for (const LaneMark& mark : layout.lane_marks)
    for (const Stripe& stripe : painted_stripes(mark)) {
      std::vector<Vec2> band = offset(stripe.line, stripe.width / 2);
      const std::vector<Vec2> right = offset(stripe.line, -stripe.width / 2);
      band.insert(band.end(), right.rbegin(), right.rend());
      fill_paint({std::move(band), mark.colour, 0.8f, static_cast<float>(mark.wear)});
    }
  build_levels();
}

/// Calls shade(column, row, texel) for every texel whose centre lies in the polygon (even-odd rule).
template <class Shade>
void GroundRaster::fill(const std::vector<Vec2>& polygon, const Shade& shade) {
  Level& level = levels_[0];
  std::vector<Vec2> p;
  double low = 1e30, high = -1e30;
  for (Vec2 q : polygon) {
    p.push_back((q - origin_) * (1 / cell_));
    low = std::min(low, p.back().y);
    high = std::max(high, p.back().y);
  }
  std::vector<double> crossings;
  const int first = static_cast<int>(std::clamp(std::ceil(low - 0.5), 0.0, static_cast<double>(level.height)));
  const int last = static_cast<int>(std::clamp(std::ceil(high - 0.5), 0.0, static_cast<double>(level.height)));
  for (int row = first; row < last; ++row) {
    const double y = row + 0.5;
    crossings.clear();
    for (size_t i = 0, j = p.size() - 1; i < p.size(); j = i++)
      if ((p[i].y > y) != (p[j].y > y))
        crossings.push_back(p[j].x + (y - p[j].y) / (p[i].y - p[j].y) * (p[i].x - p[j].x));
    std::sort(crossings.begin(), crossings.end());
    for (size_t i = 0; i + 1 < crossings.size(); i += 2) {
      const int from =
          static_cast<int>(std::clamp(std::ceil(crossings[i] - 0.5), 0.0, static_cast<double>(level.width)));
      const int to =
          static_cast<int>(std::clamp(std::ceil(crossings[i + 1] - 0.5), 0.0, static_cast<double>(level.width)));
      Texel* line = level.texels.data() + static_cast<size_t>(row) * static_cast<size_t>(level.width);
      for (int column = from; column < to; ++column) shade(column, row, line[column]);
    }
  }
}

void GroundRaster::fill_surface(const std::vector<Vec2>& polygon, Surface surface, float shade) {
  const uint64_t key = noise_key_;
  // Blotches half a metre wide and grain of one texel.
  const int blotch = std::max(1, static_cast<int>(0.5 / cell_));
  const int tile = std::max(2, static_cast<int>(0.45 / cell_));
  switch (surface) {
    case Surface::Asphalt:
      fill(polygon, [&](int x, int y, Texel& t) {
        const float n =
            62 * shade + 16 * (hash_noise(x, y, key) - 0.5f) + 8 * (hash_noise(x / blotch, y / blotch, key) - 0.5f);
        t = texel({n, n, n * 1.03f}, 0.15f + 0.04f * (hash_noise(y, x, key) - 0.5f));
      });
      break;
    case Surface::Concrete:
      fill(polygon, [&](int x, int y, Texel& t) {
        const bool joint = x % (12 * tile) == 0 || y % (12 * tile) == 0;
        const float n = (joint ? 60.0f : 92.0f) * shade + 10 * (hash_noise(x, y, key) - 0.5f) +
                        8 * (hash_noise(x / blotch, y / blotch, key) - 0.5f);
        t = texel({n, n * 0.99f, n * 0.95f}, 0.25f);
      });
      break;
    case Surface::Pavers:
      fill(polygon, [&](int x, int y, Texel& t) {
        const bool joint = x % tile == 0 || y % tile == 0;
        const float n = (joint ? 92.0f : 122.0f + 22 * (hash_noise(x / tile, y / tile, key) - 0.5f)) * shade +
                        8 * (hash_noise(x, y, key) - 0.5f);
        t = texel({n, n * 0.92f, n * 0.84f}, 0.3f);
      });
      break;
    case Surface::Grass:
      fill(polygon, [&](int x, int y, Texel& t) {
        const float n =
            84 * shade + 34 * (hash_noise(x, y, key) - 0.5f) + 14 * (hash_noise(x / blotch, y / blotch, key) - 0.5f);
        t = texel({n * 0.82f, n, n * 0.5f}, 0.35f);
      });
  }
}

void GroundRaster::fill_paint(const Paint& paint) {
  const uint64_t key = noise_key_ + 17;
  const int blotch = std::max(1, static_cast<int>(0.15 / cell_));
  fill(paint.polygon, [&](int x, int y, Texel& t) {
    const float worn = 0.6f * hash_noise(x / blotch, y / blotch, key) + 0.4f * hash_noise(x, y, key);
    if (worn < paint.wear * 0.9f) return;
    const float grain = 1 + 0.08f * (hash_noise(y, x, key) - 0.5f);
    t = texel(paint.colour * grain, paint.reflectivity);
  });
}

void GroundRaster::build_levels() {
  for (size_t l = 1; l < levels_.size(); ++l) {
    const Level& fine = levels_[l - 1];
    Level& coarse = levels_[l];
    coarse.width = fine.width / 2;
    coarse.height = fine.height / 2;
    coarse.inverse_cell = fine.inverse_cell / 2;
    coarse.texels.resize(static_cast<size_t>(coarse.width) * static_cast<size_t>(coarse.height));
    for (int row = 0; row < coarse.height; ++row) {
      const Texel* a = fine.texels.data() + static_cast<size_t>(2 * row) * static_cast<size_t>(fine.width);
      const Texel* b = a + fine.width;
      Texel* out = coarse.texels.data() + static_cast<size_t>(row) * static_cast<size_t>(coarse.width);
      for (int column = 0; column < coarse.width; ++column) {
        const Texel &p = a[2 * column], &q = a[2 * column + 1], &r = b[2 * column], &s = b[2 * column + 1];
        const auto mean = [](int w, int x, int y, int z) { return static_cast<uint8_t>((w + x + y + z + 2) / 4); };
        out[column] = {mean(p.r, q.r, r.r, s.r), mean(p.g, q.g, r.g, s.g), mean(p.b, q.b, r.b, s.b),
                       mean(p.reflectivity, q.reflectivity, r.reflectivity, s.reflectivity)};
      }
    }
  }
}

}  // namespace bevgrad::scene
