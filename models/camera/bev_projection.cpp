#include "models/camera/bev_projection.h"

#include <algorithm>
#include <bit>
#include <optional>

namespace bevgrad {
namespace {

struct Look {
  BevLook look;
  bool seen = false;
};

struct Projector {
  CameraProjector camera;
  int32_t group, index;
  double stride_u, stride_v;
};

std::vector<Projector> make_projectors(const std::vector<BevSamplingGroup>& groups,
                                       const std::vector<Camera>& cameras) {
  std::vector<Projector> projectors;
  size_t next = 0;
  for (size_t g = 0; g < groups.size(); ++g) {
    for (int64_t i = 0; i < groups[g].cameras; ++i, ++next) {
      check(next < cameras.size(), "view_transfer: {} cameras came, the groups hold more", cameras.size());
      const Camera& camera = cameras[next];
      try {
        projectors.push_back({CameraProjector(camera), static_cast<int32_t>(g), static_cast<int32_t>(i),
                              static_cast<double>(camera.width) / static_cast<double>(groups[g].width),
                              static_cast<double>(camera.height) / static_cast<double>(groups[g].height)});
      } catch (const std::invalid_argument& error) {
        fail("view_transfer: the calibration of camera {} cannot be: {}", next, error.what());
      }
    }
  }
  check(next == cameras.size(), "view_transfer: {} cameras came, the groups hold {}", cameras.size(), next);
  return projectors;
}

void mix(uint64_t& hash, uint64_t value) {
  hash ^= value + 0x9e3779b97f4a7c15u + (hash << 6) + (hash >> 2);
}

uint64_t hash_of(const std::vector<Camera>& cameras) {
  uint64_t hash = cameras.size();
  for (const Camera& c : cameras) {
    mix(hash, static_cast<uint64_t>(c.kind));
    mix(hash, static_cast<uint64_t>(c.width) << 32 | static_cast<uint32_t>(c.height));
    for (double v : {c.fx, c.fy, c.cx, c.cy, c.fov}) mix(hash, std::bit_cast<uint64_t>(v));
    for (double v : c.distortion) mix(hash, std::bit_cast<uint64_t>(v));
    for (double v : c.sensor2ego.m) mix(hash, std::bit_cast<uint64_t>(v));
  }
  return hash;
}

bool same_groups(const std::vector<BevSamplingGroup>& a, const std::vector<BevSamplingGroup>& b) {
  return std::ranges::equal(a, b, [](const BevSamplingGroup& x, const BevSamplingGroup& y) {
    return x.cameras == y.cameras && x.height == y.height && x.width == y.width;
  });
}

}  // namespace

BevSamplingTable project_points(const BevPoints& points, const std::vector<BevSamplingGroup>& groups,
                                const std::vector<Camera>& cameras) {
  const std::vector<Projector> projectors = make_projectors(groups, cameras);
  const BevGrid& grid = points.grid;
  BevSamplingTable table;
  table.heights = static_cast<int64_t>(points.heights.size());
  table.rows = grid.rows();
  table.columns = grid.columns();
  table.groups = groups;

  const int64_t cells = table.rows * table.columns, total = table.heights * cells;
  const auto count = static_cast<int64_t>(projectors.size());
  std::vector<Look> looks(static_cast<size_t>(total * count));
#pragma omp parallel for schedule(static)
  for (int64_t p = 0; p < total; ++p) {
    const int64_t row = p % cells / table.columns, column = p % table.columns;
    const Vec3 point = {grid.x_min + (static_cast<double>(column) + 0.5) * grid.cell,
                        grid.y_min + (static_cast<double>(row) + 0.5) * grid.cell,
                        points.heights[static_cast<size_t>(p / cells)]};
    for (int64_t c = 0; c < count; ++c) {
      const Projector& projector = projectors[static_cast<size_t>(c)];
      const std::optional<Pixel> pixel = projector.camera.project(point);
      if (!pixel) continue;
      looks[static_cast<size_t>(p * count + c)] = {
          {projector.group, projector.index, static_cast<float>((pixel->u + 0.5) / projector.stride_u - 0.5),
           static_cast<float>((pixel->v + 0.5) / projector.stride_v - 0.5)},
          true};
    }
  }
  table.offsets.reserve(static_cast<size_t>(total) + 1);
  table.offsets.push_back(0);
  for (int64_t p = 0; p < total; ++p) {
    for (int64_t c = 0; c < count; ++c) {
      const Look& look = looks[static_cast<size_t>(p * count + c)];
      if (look.seen) table.looks.push_back(look.look);
    }
    table.offsets.push_back(static_cast<int64_t>(table.looks.size()));
  }
  return table;
}

bool BevProjectionCache::Rig::operator==(const Rig& other) const {
  return cameras == other.cameras && same_groups(groups, other.groups);
}

size_t BevProjectionCache::RigHash::operator()(const Rig& rig) const {
  return hash_of(rig.cameras);
}

BevProjectionCache::BevProjectionCache(BevPoints points, size_t capacity)
    : points_(std::move(points)), samplings_(capacity) {}

std::shared_ptr<const BevSampling> BevProjectionCache::find(const std::vector<BevSamplingGroup>& groups,
                                                            const std::vector<Camera>& cameras) {
  const Rig rig{groups, cameras};
  if (auto found = samplings_.find(rig)) return *found;
  return samplings_.put(rig, std::make_shared<const BevSampling>(project_points(points_, groups, cameras)));
}

}  // namespace bevgrad
