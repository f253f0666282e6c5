#include "internal/outlines.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "geometry/polyline.h"

namespace bevgrad {

namespace {

/// Directions: 0 right, 1 up, 2 left, 3 down.
constexpr std::array<std::array<int64_t, 2>, 4> kStep = {{{1, 0}, {0, 1}, {-1, 0}, {0, -1}}};

/// Keeps the points between `first` and `last` that lie further than the tolerance off (Douglas and Peucker), without
/// recursion.
std::vector<Vec2> simplified(const std::vector<Vec2>& ring, double tolerance) {
  if (ring.size() < 4) return ring;
  std::vector<bool> keep(ring.size(), false);
  // A ring begins at its first point and at the one that is furthest from it.
  size_t far = 0;
  for (size_t i = 0; i < ring.size(); ++i)
    if (norm(ring[i] - ring[0]) > norm(ring[far] - ring[0])) far = i;
  keep[0] = keep[far] = true;
  const auto point = [&](size_t i) { return ring[i % ring.size()]; };
  std::vector<std::pair<size_t, size_t>> spans = {{0, far}, {far, ring.size()}};
  while (!spans.empty()) {
    const auto [first, last] = spans.back();
    spans.pop_back();
    size_t worst = first;
    double distance = tolerance;
    for (size_t i = first + 1; i < last; ++i)
      if (const double d = distance_to_segment(point(i), point(first), point(last)); d > distance) {
        distance = d;
        worst = i;
      }
    if (worst == first) continue;
    keep[worst] = true;
    spans.emplace_back(first, worst);
    spans.emplace_back(worst, last);
  }
  std::vector<Vec2> out;
  for (size_t i = 0; i < ring.size(); ++i)
    if (keep[i]) out.push_back(ring[i]);
  return out;
}

}  // namespace

std::vector<std::vector<Vec2>> cell_outlines(const std::vector<uint8_t>& cells, int64_t rows, int64_t columns,
                                             double tolerance) {
  const auto marked = [&](int64_t r, int64_t c) {
    return r >= 0 && c >= 0 && r < rows && c < columns && cells[static_cast<size_t>(r * columns + c)] != 0;
  };
  // Whether an edge leaves corner (x, y) in a direction with a marked cell to its left and none to its right.
  const auto leaves = [&](int64_t x, int64_t y, int direction) {
    switch (direction) {
      case 0:
        return marked(y, x) && !marked(y - 1, x);
      case 1:
        return marked(y, x - 1) && !marked(y, x);
      case 2:
        return marked(y - 1, x - 1) && !marked(y, x - 1);
      default:
        return marked(y - 1, x) && !marked(y - 1, x - 1);
    }
  };
  std::vector<bool> walked(static_cast<size_t>((rows + 1) * (columns + 1)), false);  // edges to the right
  std::vector<std::vector<Vec2>> rings;
  for (int64_t r = 0; r <= rows; ++r)
    for (int64_t c = 0; c < columns; ++c) {
      // Every ring has an edge to the right.
      if (!leaves(c, r, 0) || walked[static_cast<size_t>(r * (columns + 1) + c)]) continue;
      std::vector<Vec2> ring;
      int64_t x = c, y = r;
      int direction = 0, before = -1;
      do {
        if (direction != before) ring.push_back({static_cast<double>(x), static_cast<double>(y)});
        if (direction == 0) walked[static_cast<size_t>(y * (columns + 1) + x)] = true;
        before = direction;
        x += kStep[static_cast<size_t>(direction)][0];
        y += kStep[static_cast<size_t>(direction)][1];
        // Left first: cells that touch at a corner stay apart.
        for (const int turn : {1, 0, 3})
          if (leaves(x, y, (before + turn) % 4)) {
            direction = (before + turn) % 4;
            break;
          }
      } while (x != c || y != r || direction != 0);
      std::vector<Vec2> slim = simplified(ring, tolerance);
      if (slim.size() >= 3) rings.push_back(std::move(slim));
    }
  return rings;
}

}  // namespace bevgrad
