// A small rig for the tests of the scene generator.
#pragma once
#include <cstring>
#include <numbers>
#include <vector>

#include "data/scene/scene.h"

namespace bevgrad::testing {

/// Front pinhole with some distortion, back pinhole, fisheyes on both sides.
inline std::vector<SceneCamera> small_rig(int width, int height) {
  constexpr double degree = std::numbers::pi / 180;
  const auto mount = [&](const char* name, CameraKind kind, double fov, Vec3 at, double yaw, double pitch) {
    Camera camera = camera_with_fov(kind, width, height, fov * degree);
    camera.sensor2ego = camera_mount(at, yaw * degree, pitch * degree, 0);
    return SceneCamera{name, camera};
  };
  std::vector<SceneCamera> rig = {mount("front", CameraKind::Pinhole, 100, {1.8, 0, 1.5}, 0, 8),
                                  mount("back", CameraKind::Pinhole, 100, {-1, 0, 1.5}, 180, 12),
                                  mount("left", CameraKind::Fisheye, 190, {1.2, 0.97, 1.2}, 90, 25),
                                  mount("right", CameraKind::Fisheye, 190, {1.2, -0.97, 1.2}, -90, 25)};
  rig[0].camera.distortion = {-0.05, 0.01, 0.001, -0.001, 0};
  rig[2].camera.distortion = rig[3].camera.distortion = {-0.02, 0.002, 0, 0, 0};
  return rig;
}

inline SceneOptions small_scene(int frames, int width = 40, int height = 24) {
  SceneOptions options;
  options.cameras = small_rig(width, height);
  options.lidar.beams = 24;
  options.lidar.points = 9000;
  options.drive.frames = frames;
  options.ground_cell = 0.1;
  return options;
}

inline bool same_bytes(const Tensor& a, const Tensor& b) {
  return a.sizes() == b.sizes() && a.dtype() == b.dtype() && std::memcmp(a.raw_data(), b.raw_data(), a.nbytes()) == 0;
}

}  // namespace bevgrad::testing
