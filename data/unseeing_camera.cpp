#include "data/unseeing_camera.h"

#include <numbers>

namespace bevgrad {

Camera unseeing_camera(const Camera& like) {
  // A fisheye without an angle, below everything, that looks down.
  Camera camera;
  camera.kind = CameraKind::Fisheye;
  camera.width = like.width;
  camera.height = like.height;
  camera.fx = camera.fy = 1;
  camera.fov = 1e-9;
  camera.sensor2ego = camera_mount({0, 0, -1e6}, 0, std::numbers::pi / 2, 0);
  return camera;
}

}  // namespace bevgrad
