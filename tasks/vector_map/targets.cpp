#include "tasks/vector_map/targets.h"

#include <algorithm>
#include <cmath>

#include "data/clip_shapes.h"
#include "evaluation/lane_vectors.h"
#include "geometry/polyline.h"

namespace bevgrad {
namespace {

/// One class's plane of a sample's raster.
struct Plane {
  const uint8_t* cells = nullptr;
  int64_t rows = 0, columns = 0;

  bool ignores(Vec2 place) const {
    const auto at = [](double share, int64_t count) {
      return std::clamp<int64_t>(static_cast<int64_t>(share * static_cast<double>(count)), 0, count - 1);
    };
    return cells[at(place.y, rows) * columns + at(place.x, columns)] == kIgnoreLabel;
  }
  /// Most of them.
  bool ignores(const std::vector<Vec2>& places) const {
    return 2 * std::ranges::count_if(places, [&](Vec2 p) { return ignores(p); }) > std::ssize(places);
  }
};

Plane plane_of(const Batch& batch, int64_t n, int64_t class_id, const VectorClasses& classes) {
  const bool is_lane = class_id < classes.lanes;
  const Tensor& raster = is_lane ? batch.lane : batch.road;
  const int64_t channel = is_lane ? class_id : classes.road[static_cast<size_t>(class_id - classes.lanes)];
  return {raster.data<const uint8_t>() + (n * raster.size(1) + channel) * raster.size(2) * raster.size(3),
          raster.size(2), raster.size(3)};
}

/// Shapes with the numbers of `classes`.
std::vector<LabelShape> shapes_of(const Batch& batch, int64_t n, const VectorClasses& classes, const LabelGrid& grid) {
  std::vector<LabelShape> shapes = batch.lane_shapes[static_cast<size_t>(n)];
  if (shapes.empty()) {
    for (const LaneVector& lane : lane_vectors(label_raster(batch.lane, n), grid))
      shapes.push_back({static_cast<int>(lane.class_id), false, 0, lane.points});
  }
  for (const LabelShape& shape : batch.road_shapes[static_cast<size_t>(n)]) {
    const auto found = std::ranges::find(classes.road, shape.class_id);
    if (found == classes.road.end()) continue;
    shapes.push_back(shape);
    shapes.back().class_id = static_cast<int>(classes.lanes + (found - classes.road.begin()));
  }
  return shapes;
}

Vec2 to_place(Vec2 metres, const LabelGrid& grid) {
  return {(metres.x - grid.x_min) / (grid.x_max - grid.x_min), (metres.y - grid.y_min) / (grid.y_max - grid.y_min)};
}

std::vector<Vec2> spaced(const LabelShape& shape, int64_t points) {
  if (!shape.closed) return resample(shape.points, static_cast<int>(points));
  std::vector<Vec2> ring = shape.points;
  ring.push_back(ring.front());
  return resample(ring, static_cast<int>(points));
}

}  // namespace

std::vector<VectorTarget> vector_targets(const Batch& batch, int64_t n, const VectorClasses& classes,
                                         const LabelGrid& grid, int64_t points) {
  std::vector<LabelShape> inside;
  for (const LabelShape& shape : shapes_of(batch, n, classes, grid)) clip_shape(shape, bounds_of(grid), inside);
  std::vector<VectorTarget> targets;
  for (const LabelShape& shape : inside) {
    VectorTarget target{shape.class_id, shape.closed, spaced(shape, points)};
    for (Vec2& p : target.points) p = to_place(p, grid);
    if (!plane_of(batch, n, target.class_id, classes).ignores(target.points)) targets.push_back(std::move(target));
  }
  return targets;
}

std::vector<bool> labelled_classes(const Batch& batch, int64_t n, const VectorClasses& classes) {
  std::vector<bool> labelled;
  for (int64_t c = 0; c < classes.count(); ++c) {
    const Plane plane = plane_of(batch, n, c, classes);
    const uint8_t* end = plane.cells + plane.rows * plane.columns;
    labelled.push_back(std::any_of(plane.cells, end, [](uint8_t cell) { return cell != kIgnoreLabel; }));
  }
  return labelled;
}

std::vector<std::vector<Vec2>> equivalent_orders(const VectorTarget& target) {
  std::vector<std::vector<Vec2>> orders;
  std::vector<Vec2> points = target.points;
  if (target.closed) points.pop_back();
  for (int direction = 0; direction < 2; ++direction) {
    for (size_t start = 0; start < (target.closed ? points.size() : 1); ++start) {
      orders.push_back(points);
      if (!target.closed) continue;
      orders.back().push_back(points.front());
      std::ranges::rotate(points, points.begin() + 1);
    }
    std::ranges::reverse(points);
  }
  return orders;
}

bool is_ignored(const Batch& batch, int64_t n, int64_t class_id, const std::vector<Vec2>& points,
                const VectorClasses& classes, const LabelGrid& grid) {
  std::vector<Vec2> places;
  for (const Vec2 p : points) places.push_back(to_place(p, grid));
  return plane_of(batch, n, class_id, classes).ignores(places);
}

Vec2 to_metres(Vec2 place, const LabelGrid& grid) {
  return {grid.x_min + place.x * (grid.x_max - grid.x_min), grid.y_min + place.y * (grid.y_max - grid.y_min)};
}

}  // namespace bevgrad
