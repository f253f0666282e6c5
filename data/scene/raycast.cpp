#include "data/scene/raycast.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

namespace bevgrad::scene {

namespace {

using std::numbers::pi;

}  // namespace

int SensorView::bin(double dx, double dy) {
  const int index = static_cast<int>((std::atan2(dy, dx) + pi) * (kBins / (2 * pi)));
  return std::clamp(index, 0, kBins - 1);
}

SensorView::SensorView(const std::vector<CastBox>& boxes, Vec3 origin, double range) : origin_(origin) {
  for (size_t i = 0; i < boxes.size(); ++i) {
    const CastBox& b = boxes[i];
    const float dx = static_cast<float>(origin.x) - b.x, dy = static_cast<float>(origin.y) - b.y;
    Local local;
    local.x = b.cosine * dx + b.sine * dy;
    local.y = -b.sine * dx + b.cosine * dy;
    const float ox = std::max(0.0f, std::abs(local.x) - b.half_length),
                oy = std::max(0.0f, std::abs(local.y) - b.half_width);
    local.near = std::sqrt(ox * ox + oy * oy);
    if (local.near > range) continue;
    local.cosine = b.cosine;
    local.sine = b.sine;
    local.half_length = b.half_length;
    local.half_width = b.half_width;
    local.z0 = b.z0 - static_cast<float>(origin.z);
    local.z1 = b.z1 - static_cast<float>(origin.z);
    local.box = static_cast<int>(i);
    const bool inside = ox == 0 && oy == 0;
    if (inside && local.z0 <= 0 && local.z1 >= 0) continue;
    boxes_.push_back(local);
  }
  std::sort(boxes_.begin(), boxes_.end(),
            [](const Local& a, const Local& b) { return a.near != b.near ? a.near < b.near : a.box < b.box; });
  if (boxes_.size() > std::numeric_limits<uint16_t>::max()) boxes_.resize(std::numeric_limits<uint16_t>::max());

  // The slices that each box covers: those between its corners as seen from here.
  struct Span {
    int first, count;
  };
  std::vector<Span> spans;
  starts_.assign(kBins + 1, 0);
  for (const Local& b : boxes_) {
    Span span = {0, kBins};
    if (b.near > 0.05f) {
      const double centre = std::atan2(-(b.sine * b.x + b.cosine * b.y), -(b.cosine * b.x - b.sine * b.y));
      double low = 0, high = 0;
      for (float sx : {-1.0f, 1.0f})
        for (float sy : {-1.0f, 1.0f}) {
          const float lx = sx * b.half_length - b.x, ly = sy * b.half_width - b.y;
          const double angle = std::atan2(b.sine * lx + b.cosine * ly, b.cosine * lx - b.sine * ly);
          const double relative = std::remainder(angle - centre, 2 * pi);
          low = std::min(low, relative);
          high = std::max(high, relative);
        }
      const double scale = kBins / (2 * pi);
      const int first = static_cast<int>(std::floor((centre + low + pi) * scale - 1e-3));
      const int last = static_cast<int>(std::floor((centre + high + pi) * scale + 1e-3));
      span = {(first % kBins + kBins) % kBins, std::min(last - first + 1, kBins)};
    }
    spans.push_back(span);
    for (int i = 0; i < span.count; ++i) ++starts_[static_cast<size_t>((span.first + i) % kBins) + 1];
  }
  for (size_t i = 0; i < kBins; ++i) starts_[i + 1] += starts_[i];
  members_.resize(starts_[kBins]);
  std::vector<uint32_t> next(starts_.begin(), starts_.end() - 1);
  for (size_t b = 0; b < spans.size(); ++b)
    for (int i = 0; i < spans[b].count; ++i)
      members_[next[static_cast<size_t>((spans[b].first + i) % kBins)]++] = static_cast<uint16_t>(b);
}

bool SensorView::intersect(const Local& b, const Direction& d, float t_max, Hit& hit) const {
  const float dx = b.cosine * d.x + b.sine * d.y, dy = -b.sine * d.x + b.cosine * d.y;
  // Slabs. A direction parallel to one divides by zero, which gives infinities that compare rightly.
  const float ix = 1 / dx, iy = 1 / dy, iz = 1 / d.z;
  float x0 = (-b.half_length - b.x) * ix, x1 = (b.half_length - b.x) * ix;
  float y0 = (-b.half_width - b.y) * iy, y1 = (b.half_width - b.y) * iy;
  float z0 = b.z0 * iz, z1 = b.z1 * iz;
  if (x0 > x1) std::swap(x0, x1);
  if (y0 > y1) std::swap(y0, y1);
  if (z0 > z1) std::swap(z0, z1);
  const float enter = std::max(x0, std::max(y0, z0)), leave = std::min(x1, std::min(y1, z1));
  if (!(enter <= leave) || !(enter > 0) || !(enter < t_max)) return false;
  hit.t = enter;
  hit.box = b.box;
  if (enter == x0) {
    hit.axis = 0;
    hit.positive = dx < 0;
  } else if (enter == y0) {
    hit.axis = 1;
    hit.positive = dy < 0;
  } else {
    hit.axis = 2;
    hit.positive = d.z < 0;
  }
  return true;
}

Hit SensorView::cast(const Direction& d, int bin, float t_max) const {
  Hit hit;
  hit.t = t_max;
  const float horizontal = std::sqrt(d.x * d.x + d.y * d.y);
  const uint32_t end = starts_[static_cast<size_t>(bin) + 1];
  for (uint32_t i = starts_[static_cast<size_t>(bin)]; i < end; ++i) {
    const Local& b = boxes_[members_[i]];
    if (b.near >= hit.t * horizontal) break;
    intersect(b, d, hit.t, hit);
  }
  return hit;
}

}  // namespace bevgrad::scene
