#include "models/camera/rig.h"

#include <bit>

namespace bevgrad {
namespace {

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
    for (double v : c.denominator) mix(hash, std::bit_cast<uint64_t>(v));
    for (double v : c.sensor2ego.m) mix(hash, std::bit_cast<uint64_t>(v));
  }
  return hash;
}

}  // namespace

size_t RigHash::operator()(const Rig& rig) const {
  return hash_of(rig.cameras);
}

std::vector<PlacedCamera> placed_cameras(const std::vector<BevSamplingGroup>& groups,
                                         const std::vector<Camera>& cameras) {
  std::vector<PlacedCamera> placed;
  size_t next = 0;
  for (size_t g = 0; g < groups.size(); ++g) {
    for (int64_t i = 0; i < groups[g].cameras; ++i, ++next) {
      check(next < cameras.size(), "view_transfer: {} cameras came, the groups hold more", cameras.size());
      const Camera& camera = cameras[next];
      try {
        placed.push_back({CameraProjector(camera), static_cast<int32_t>(g), static_cast<int32_t>(i),
                          static_cast<double>(camera.width) / static_cast<double>(groups[g].width),
                          static_cast<double>(camera.height) / static_cast<double>(groups[g].height)});
      } catch (const std::invalid_argument& error) {
        fail("view_transfer: the calibration of camera {} cannot be: {}", next, error.what());
      }
    }
  }
  check(next == cameras.size(), "view_transfer: {} cameras came, the groups hold {}", cameras.size(), next);
  return placed;
}

std::vector<BevSamplingGroup> groups_of(const std::vector<Tensor>& features, int64_t batch) {
  check(batch > 0, "view_transfer: there is no sample");
  std::vector<BevSamplingGroup> groups;
  for (const Tensor& feature : features) {
    check(feature.dim() == 4 && feature.size(0) % batch == 0,
          "view_transfer: a feature map {} does not hold the same number of cameras for {} samples",
          to_string(feature.sizes()), batch);
    groups.push_back({feature.size(0) / batch, feature.size(2), feature.size(3)});
  }
  return groups;
}

}  // namespace bevgrad
