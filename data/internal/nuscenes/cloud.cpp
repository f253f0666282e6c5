#include "internal/nuscenes/cloud.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "internal/limited_file.h"

namespace bevgrad {

namespace {

/// Of a 16-bit sensor: what is larger counts something else.
constexpr float kBrightest = 65535;

/// Brings intensities (every fourth number) from 0..255, or 0..1 where they are so already, to 0..1.
void scale_intensities(std::vector<float>& rows, const std::string& path, CloudRemarks* remarks) {
  float low = 0, high = 0;
  bool is_whole = true;
  for (size_t i = 3; i < rows.size(); i += 4) {
    low = std::min(low, rows[i]);
    high = std::max(high, rows[i]);
    is_whole = is_whole && rows[i] == std::floor(rows[i]);
  }
  check(low >= -kBrightest && high <= kBrightest,
        "{}: the fourth number of a point goes from {} to {}, expected an intensity (0 to 255): is it a time stamp?",
        path, low, high);
  const bool is_unit = low >= 0 && high <= 1 && !is_whole;
  if (is_unit) remarks->unit_already.add(path);
  if (low < 0 || high > 255) remarks->too_bright.add(path);
  const float scale = is_unit ? 1 : 1 / 255.0f;
  for (size_t i = 3; i < rows.size(); i += 4) rows[i] = std::clamp(rows[i] * scale, 0.0f, 1.0f);
}

}  // namespace

Tensor read_cloud(const InfoFrame& frame, const std::string& path, CloudRemarks* remarks) {
  const int64_t features = frame.point_features;
  check(features >= 4 && features <= 64, "{}: {} numbers a LiDAR point, expected 4 to 64", frame.where, features);
  const std::string bytes = read_limited_file(path);
  const size_t stride = static_cast<size_t>(features) * sizeof(float);
  check(bytes.size() % stride == 0, "{}: {} bytes are not a whole number of points of {} float32 each", path,
        bytes.size(), features);
  std::vector<float> kept;
  bool any_finite = false;
  for (size_t at = 0; at < bytes.size(); at += stride) {
    float p[4];
    std::memcpy(p, bytes.data() + at, sizeof p);
    const auto is_near = [](float v) { return std::isfinite(v) && std::abs(v) < 1e5f; };
    if (!std::all_of(p, p + 3, is_near) || !std::isfinite(p[3])) continue;
    any_finite = true;
    if (p[0] == 0 && p[1] == 0 && p[2] == 0) continue;
    const Vec3 ego = frame.lidar2ego.apply({p[0], p[1], p[2]});
    kept.insert(kept.end(), {static_cast<float>(ego.x), static_cast<float>(ego.y), static_cast<float>(ego.z), p[3]});
  }
  check(any_finite, "{}: holds no point", path);
  if (kept.empty()) remarks->at_origin.add(path);
  scale_intensities(kept, path, remarks);
  Tensor points = empty({static_cast<int64_t>(kept.size() / 4), 4});
  std::copy(kept.begin(), kept.end(), points.data<float>());
  return points;
}

}  // namespace bevgrad
