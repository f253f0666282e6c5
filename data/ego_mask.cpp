#include "data/ego_mask.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace bevgrad {

namespace {

/// Where a polygon's edges cross the row of pixel centres v, from left to right: what lies between the first and the
/// second is inside, and so on.
std::vector<double> crossings(const std::vector<Vec2>& polygon, double v) {
  std::vector<double> found;
  for (size_t i = 0, j = polygon.size() - 1; i < polygon.size(); j = i++) {
    const Vec2 a = polygon[i], b = polygon[j];
    if ((a.y > v) != (b.y > v)) found.push_back((b.x - a.x) * (v - a.y) / (b.y - a.y) + a.x);
  }
  std::sort(found.begin(), found.end());
  return found;
}

template <class T>
void fill(const EgoMask& mask, const Tensor& image, const std::array<float, 3>& value) {
  const int64_t height = image.size(1), width = image.size(2);
  T* data = image.data<T>();
  for (const std::vector<Vec2>& polygon : mask)
    for (int64_t v = 0; v < height; ++v) {
      const std::vector<double> edges = crossings(polygon, static_cast<double>(v));
      for (size_t i = 0; i + 1 < edges.size(); i += 2) {
        const auto first = static_cast<int64_t>(std::ceil(std::clamp(edges[i], 0.0, static_cast<double>(width)))),
                   end = static_cast<int64_t>(std::ceil(std::clamp(edges[i + 1], 0.0, static_cast<double>(width))));
        for (int64_t u = first; u < end; ++u)
          for (int64_t c = 0; c < 3; ++c)
            data[c * image.stride(0) + v * image.stride(1) + u * image.stride(2)] =
                static_cast<T>(value[static_cast<size_t>(c)]);
      }
    }
}

}  // namespace

void fill_ego_mask(const EgoMask& mask, const Tensor& image, const std::array<float, 3>& value) {
  check(image.dim() == 3 && image.size(0) == 3 && (image.dtype() == DType::UInt8 || image.dtype() == DType::Float32),
        "fill_ego_mask: {}, expected a picture [3,H,W], uint8 or float32", describe(image));
  if (image.dtype() == DType::UInt8)
    fill<uint8_t>(mask, image, value);
  else
    fill<float>(mask, image, value);
}

}  // namespace bevgrad
