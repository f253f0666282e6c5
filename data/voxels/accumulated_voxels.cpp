#include "data/voxels/accumulated_voxels.h"

#include <algorithm>
#include <cmath>
#include <unordered_set>

#include "data/voxel_walk.h"
#include "data/voxels/ground_surface.h"
#include "internal/raster.h"
#include "tensor/ops.h"

namespace bevgrad {

namespace {

constexpr double kLongestRay = 100;   // metres of a ray
constexpr double kShortestRay = 0.5;  // nearer returns are of the sensor's own mount
constexpr double kBoxMargin = 0.1;    // metres that boxes are drawn too small
constexpr double kOnGround = 0.2;     // metres above the ground that are ground
constexpr double kBelowGround = 0.5;  // what lies further below is a reflection
constexpr int kSeenThrough = 8;       // sweeps, and
constexpr int kTimesAsOften = 6;      // as many as have a point there: it was something that moved

/// The own vehicle with what is mounted on its roof, and what of it fills the space.
const Box3d kOwnVehicle = {.x = 1.4, .y = 0, .z = 1.1, .l = 5.2, .w = 2.2, .h = 2.2},
            kOwnBody = {.x = 1.4, .y = 0, .z = 0.75, .l = 5.2, .w = 2.2, .h = 1.5};

/// A point in a box's frame.
Vec3 in_box_frame(const Box3d& box, const Vec3& p) {
  const Vec2 ahead = direction(box.yaw), off{p.x - box.x, p.y - box.y};
  return {dot(off, ahead), cross(ahead, off), p.z - box.z};
}

bool is_inside(const Box3d& box, const Vec3& local, double margin) {
  return std::abs(local.x) <= box.l / 2 + margin && std::abs(local.y) <= box.w / 2 + margin &&
         std::abs(local.z) <= box.h / 2 + margin;
}

Vec3 out_of_box_frame(const Box3d& box, const Vec3& local) {
  const Vec2 ahead = direction(box.yaw);
  return {box.x + ahead.x * local.x - ahead.y * local.y, box.y + ahead.y * local.x + ahead.x * local.y,
          box.z + local.z};
}

}  // namespace

int64_t AccumulatedVoxels::column_at(double x, double y) const {
  const double column = std::floor((x - grid_.x_min) / grid_.cell), row = std::floor((y - grid_.y_min) / grid_.cell);
  if (!(column >= 0 && row >= 0 && column < static_cast<double>(grid_.columns) &&
        row < static_cast<double>(grid_.rows)))
    return -1;
  return static_cast<int64_t>(row) * grid_.columns + static_cast<int64_t>(column);
}

int64_t AccumulatedVoxels::voxel_at(double x, double y, double z) const {
  const int64_t column = column_at(x, y), level = grid_.level_of(z);
  return column < 0 || level < 0 || level >= grid_.levels ? -1 : level * grid_.rows * grid_.columns + column;
}

AccumulatedVoxels::Key AccumulatedVoxels::key_of(const LabelledSweep& sweep) const {
  Key key;
  key.ego2map = sweep.ego2map;
  key.lidar = sweep.lidar;
  // Of points that are nearer to one another than half a voxel one will do.
  std::unordered_set<uint64_t> taken;
  const auto is_new = [&](const Vec3& p, uint64_t owner) {
    const auto at = [&](double v) {
      return static_cast<uint64_t>(std::llround(v * 2 / grid_.cell) + (1 << 14)) & 0x7fff;
    };
    return taken.insert(owner << 45 | at(p.x) << 30 | at(p.y) << 15 | at(p.z)).second;
  };
  const float* p = sweep.points.data<const float>();
  for (int64_t i = 0; i < sweep.points.size(0); ++i, p += 4) {
    const Vec3 at{p[0], p[1], p[2]};
    const Point point{p[0], p[1], p[2]};
    const double range = norm(at - sweep.lidar);
    if (range < kShortestRay || range > kLongestRay || is_inside(kOwnVehicle, in_box_frame(kOwnVehicle, at), 0))
      continue;
    const auto box = std::ranges::find_if(
        sweep.boxes, [&](const Box3d& one) { return is_inside(one, in_box_frame(one, at), kBoxMargin); });
    if (box == sweep.boxes.end()) {
      if (is_new(at, 0)) (column_at(at.x, at.y) >= 0 ? key.standing : key.beyond).push_back(point);
      continue;
    }
    const auto number = static_cast<uint64_t>(box - sweep.boxes.begin()) + 1;
    if (!is_new(at, number)) continue;
    key.beyond.push_back(point);
    const Vec3 local = in_box_frame(*box, at);
    // A box without a track is an object of this moment alone.
    const int64_t track = box->track >= 0 ? box->track : -1 - static_cast<int64_t>(number);
    key.objects[track].push_back(
        {static_cast<float>(local.x), static_cast<float>(local.y), static_cast<float>(local.z)});
  }
  return key;
}

std::vector<float> AccumulatedVoxels::ground_heights(const std::vector<const Key*>& keys, const Pose& map2ego) const {
  GroundSurface surface(grid_.ground());
  for (const Key* key : keys) {
    const Pose to_ego = map2ego * key->ego2map;
    for (const Point& point : key->standing) surface.add(to_ego.apply({point.x, point.y, point.z}));
  }
  return surface.heights();
}

AccumulatedVoxels::Counts AccumulatedVoxels::count(const std::vector<const Key*>& keys, const Pose& map2ego,
                                                   const std::vector<float>& heights) const {
  const auto size = static_cast<size_t>(grid_.count());
  Counts counts;
  counts.hits.resize(size);
  counts.passes.resize(size);
  counts.points.resize(size);
  counts.grounds.resize(size);
  counts.now_passes.resize(size);
  counts.now_hits.resize(size);
  std::vector<const Key*> hit_by(size), passed_by(size);
  for (const Key* key : keys) {
    const bool is_now = key == keys.back();
    const Pose to_ego = map2ego * key->ego2map;
    const Vec3 eye = to_ego.apply(key->lidar);
    const auto pass = [&](const Vec3& end, int64_t last) {
      walk_voxels(grid_, eye, end, [&](int64_t voxel) {
        if (voxel == last) return false;
        const auto v = static_cast<size_t>(voxel);
        if (passed_by[v] != key) {
          passed_by[v] = key;
          ++counts.passes[v];
          if (is_now) counts.now_passes[v] = 1;
        }
        return true;
      });
    };
    for (const Point& point : key->standing) {
      const Vec3 end = to_ego.apply({point.x, point.y, point.z});
      const int64_t column = column_at(end.x, end.y), voxel = voxel_at(end.x, end.y, end.z);
      pass(end, voxel);
      if (voxel < 0) continue;
      const double height = end.z - heights[static_cast<size_t>(column)];
      if (height < -kBelowGround) continue;
      const auto v = static_cast<size_t>(voxel);
      ++counts.points[v];
      counts.grounds[v] += height <= kOnGround;
      if (is_now) counts.now_hits[v] = 1;
      if (hit_by[v] == key) continue;
      hit_by[v] = key;
      ++counts.hits[v];
    }
    for (const Point& point : key->beyond) {
      const Vec3 end = to_ego.apply({point.x, point.y, point.z});
      pass(end, voxel_at(end.x, end.y, end.z));
    }
  }
  return counts;
}

std::vector<uint8_t> AccumulatedVoxels::object_labels(const LabelledSweep& now, const std::vector<const Key*>& keys,
                                                      const std::vector<float>& heights) const {
  std::vector<uint8_t> labels(static_cast<size_t>(grid_.count()), kIgnoreLabel);
  for (size_t i = 0; i < now.boxes.size(); ++i) {
    const Box3d& box = now.boxes[i];
    for (const Key* key : keys) {
      const bool is_now = key == keys.back();
      const int64_t track = box.track >= 0 ? box.track : -2 - static_cast<int64_t>(i);
      if (box.track < 0 && !is_now) continue;
      const auto points = key->objects.find(track);
      if (points == key->objects.end()) continue;
      for (const Point& local : points->second) {
        const Vec3 at = out_of_box_frame(box, {local.x, local.y, local.z});
        const int64_t column = column_at(at.x, at.y), voxel = voxel_at(at.x, at.y, at.z);
        if (voxel < 0 || at.z < heights[static_cast<size_t>(column)] + kOnGround) continue;
        uint8_t& label = labels[static_cast<size_t>(voxel)];
        if (label == kIgnoreLabel) label = static_cast<uint8_t>(box.class_id);
      }
    }
  }
  return labels;
}

std::vector<uint8_t> AccumulatedVoxels::in_boxes(const std::vector<Box3d>& boxes) const {
  std::vector<uint8_t> inside(static_cast<size_t>(grid_.count()));
  const auto span = [&](double middle, double reach, double low, int64_t count) {
    const auto at = [&](double v) { return static_cast<int64_t>(std::floor((v - low) / grid_.cell)); };
    return std::pair{std::clamp<int64_t>(at(middle - reach), 0, count),
                     std::clamp<int64_t>(at(middle + reach) + 1, 0, count)};
  };
  for (const Box3d& box : boxes) {
    const double reach = std::hypot(box.l, box.w) / 2;
    const auto [column0, column1] = span(box.x, reach, grid_.x_min, grid_.columns);
    const auto [row0, row1] = span(box.y, reach, grid_.y_min, grid_.rows);
    const auto [level0, level1] = span(box.z, box.h / 2, grid_.z_min, grid_.levels);
    for (int64_t level = level0; level < level1; ++level)
      for (int64_t row = row0; row < row1; ++row)
        for (int64_t column = column0; column < column1; ++column)
          if (is_inside(box, in_box_frame(box, grid_.centre(level, row, column)), 0))
            inside[static_cast<size_t>(grid_.index(level, row, column))] = 1;
  }
  return inside;
}

Tensor AccumulatedVoxels::seen(const LabelledSweep& now, const Tensor& labels) const {
  Tensor seen = zeros({grid_.levels, grid_.rows, grid_.columns}, {.dtype = DType::UInt8});
  uint8_t* bits = seen.data<uint8_t>();
  const float* p = now.points.data<const float>();
  for (int64_t i = 0; i < now.points.size(0); ++i, p += 4) {
    const Vec3 end{p[0], p[1], p[2]};
    if (norm(end - now.lidar) < kShortestRay || is_inside(kOwnVehicle, in_box_frame(kOwnVehicle, end), 0)) continue;
    walk_voxels(grid_, now.lidar, end, [&](int64_t voxel) {
      bits[voxel] |= kVoxelSeenByLidar;
      return true;
    });
  }
  const uint8_t* filled = labels.data<const uint8_t>();
  for (const Camera& camera : now.cameras) {
    const CameraProjector projector(camera);
    const Vec3 eye = camera.sensor2ego.translation();
    int64_t voxel = 0;
    for (int64_t level = 0; level < grid_.levels; ++level)
      for (int64_t row = 0; row < grid_.rows; ++row)
        for (int64_t column = 0; column < grid_.columns; ++column, ++voxel) {
          if ((bits[voxel] & kVoxelSeenByCamera) || filled[voxel] == kIgnoreLabel) continue;
          const Vec3 centre = grid_.centre(level, row, column);
          if (projector.project(centre) && is_in_sight(grid_, filled, numbers_.free, eye, centre, voxel))
            bits[voxel] |= kVoxelSeenByCamera;
        }
  }
  return seen;
}

LabelledVoxels AccumulatedVoxels::label(const LabelledSweep& now) const {
  const Key present = key_of(now);
  std::vector<const Key*> keys;
  for (const Key& key : keys_) keys.push_back(&key);
  keys.push_back(&present);
  const Pose map2ego = now.ego2map.inverse();
  const std::vector<float> heights = ground_heights(keys, map2ego);
  const Counts counts = count(keys, map2ego, heights);
  const std::vector<uint8_t> objects = object_labels(now, keys, heights), boxed = in_boxes(now.boxes),
                             own = in_boxes({kOwnBody});
  const int64_t per_level = grid_.rows * grid_.columns;
  std::vector<uint8_t> drivable(static_cast<size_t>(per_level));
  for (const std::vector<Vec2>& polygon : now.drivable) fill_polygon(polygon, grid_.ground(), drivable.data(), 1);

  Tensor labels = full({grid_.levels, grid_.rows, grid_.columns}, kIgnoreLabel, {.dtype = DType::UInt8});
  uint8_t* out = labels.data<uint8_t>();
  for (int64_t voxel = 0; voxel < grid_.count(); ++voxel) {
    const auto v = static_cast<size_t>(voxel);
    if (own[v]) continue;
    const int64_t column = voxel % per_level;
    const bool is_ground = counts.points[v] > 0 && 2 * counts.grounds[v] >= counts.points[v];
    const bool is_ghost = !is_ground && !counts.now_hits[v] && counts.passes[v] >= kSeenThrough &&
                          counts.passes[v] >= kTimesAsOften * counts.hits[v];
    // Rays may pass the part of a voxel that lies above the ground in it.
    const bool is_above = voxel / per_level > grid_.level_of(heights[static_cast<size_t>(column)]);
    const uint8_t if_passed = is_above ? numbers_.free : kIgnoreLabel;
    if (objects[v] != kIgnoreLabel)
      out[v] = objects[v];
    else if (is_ground)
      out[v] = drivable[static_cast<size_t>(column)] ? numbers_.road : numbers_.ground;
    else if (boxed[v])
      out[v] = counts.now_passes[v] ? if_passed : kIgnoreLabel;
    else if (counts.points[v] > 0)
      out[v] = is_ghost ? if_passed : numbers_.other;
    else if (counts.passes[v] > 0)
      out[v] = if_passed;
  }
  return {labels, seen(now, labels)};
}

}  // namespace bevgrad
