#include "internal/mask_image.h"

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "data/png_codec.h"
#include "geometry/polygon.h"
#include "internal/limited_file.h"
#include "internal/outlines.h"
#include "internal/record/camera.h"

namespace bevgrad {

namespace {

using Ring = std::vector<Vec2>;

/// A slit leads from the ring's first corner to the hole and back, so that what lies between is crossed twice.
void cut_out(const Ring& hole, Ring& ring) {
  const Vec2 start = ring.front();
  ring.push_back(start);
  ring.insert(ring.end(), hole.begin(), hole.end());
  ring.push_back(hole.front());
}

EgoMask polygons_of(const std::vector<Ring>& rings) {
  EgoMask mask;
  std::vector<const Ring*> outer;
  for (const Ring& ring : rings)
    if (signed_area(ring) > 0) {
      outer.push_back(&ring);
      mask.push_back(ring);
    }
  for (const Ring& hole : rings) {
    if (signed_area(hole) > 0) continue;
    size_t owner = outer.size();  // the smallest ring around it
    for (size_t i = 0; i < outer.size(); ++i)
      if ((owner == outer.size() || signed_area(*outer[i]) < signed_area(*outer[owner])) &&
          std::ranges::any_of(hole, [&](Vec2 corner) { return contains(*outer[i], corner); }))
        owner = i;
    if (owner < outer.size()) cut_out(hole, mask[owner]);
  }
  for (Ring& ring : mask)
    for (Vec2& corner : ring) corner = corner - Vec2{0.5, 0.5};  // the first pixel's centre is (0, 0)
  return mask;
}

}  // namespace

EgoMask read_mask_image(const std::string& path, int width, int height) {
  const std::string bytes = read_limited_file(path);
  std::vector<uint8_t> cells;
  const PngSize size =
      read_png_rows({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, path, int64_t{1} << 28,
                    [&](int64_t, std::span<const uint8_t> row) { cells.insert(cells.end(), row.begin(), row.end()); });
  check(size.width == width && size.height == height, "{}: the mask is {}x{} pixels, expected the camera's {}x{}", path,
        size.width, size.height, width, height);
  for (double tolerance = 0.5; tolerance <= 4; tolerance *= 2) {
    EgoMask mask = polygons_of(cell_outlines(cells, size.height, size.width, tolerance));
    int corners = 0;
    for (const Ring& ring : mask) corners += static_cast<int>(ring.size());
    if (corners <= kMostMaskCorners) return mask;
  }
  fail("{}: the mask's outlines have over {} corners, expected fewer: without noise", path, kMostMaskCorners);
}

}  // namespace bevgrad
