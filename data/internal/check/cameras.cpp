#include "internal/check/cameras.h"

#include <fmt/core.h>

#include <cmath>
#include <limits>
#include <numbers>

namespace bevgrad {

namespace {

constexpr double kDegrees = 180 / std::numbers::pi;
constexpr double kFarOff = 5;  // metres
/// Share of a picture's width and height beyond which a principal point does not belong to a picture of this size.
constexpr double kOffMiddle = 0.12;
/// Less of a picture is lost to every lens's corners.
constexpr double kUnusedShare = 0.01;
/// More of a picture is rarely the own vehicle.
constexpr double kMostMasked = 0.6;
/// A picture is looked through at this many places along each side.
constexpr int kSteps = 48;

void check_principal_point(const Camera& camera, std::vector<CameraRemark>& remarks) {
  const std::string place = fmt::format("({:.1f}, {:.1f})", camera.cx, camera.cy),
                    size = fmt::format("{}x{}", camera.width, camera.height);
  if (!(camera.cx > -0.5 && camera.cx < camera.width - 0.5 && camera.cy > -0.5 && camera.cy < camera.height - 0.5)) {
    remarks.push_back(
        {Severity::Error, "principal point",
         fmt::format("the principal point {} lies outside the picture of {} pixels: intrinsics of another "
                     "size?",
                     place, size)});
    return;
  }
  const double x = camera.cx / camera.width - 0.5, y = camera.cy / camera.height - 0.5;
  // A picture that was scaled by s has both at 0.5 / s; one that was cut has one of them elsewhere.
  if (x * y > 0 && std::abs(x) > kOffMiddle && std::abs(y) > kOffMiddle)
    remarks.push_back({Severity::Warning, "off the middle",
                       fmt::format("the principal point {} lies at {:.0f} % of the width and {:.0f} % of the height of "
                                   "{} pixels: intrinsics of another size?",
                                   place, 100 * (x + 0.5), 100 * (y + 0.5), size)});
}

/// How far the picture's downward axis is off downward, as a cosine.
double downward(const Pose& sensor2ego) {
  return -sensor2ego.rotate({0, 1, 0}).z;
}

void check_mount(const Camera& camera, std::vector<CameraRemark>& remarks) {
  const Vec3 at = camera.sensor2ego.translation();
  const double down = downward(camera.sensor2ego);
  const bool looks_down = camera.sensor2ego.rotate({0, 0, 1}).z < -0.9;
  if (down < 0.3 && !looks_down) {
    const Pose inverse = camera.sensor2ego.inverse();
    const Vec3 other = inverse.translation();
    const bool is_inverted = downward(inverse) > 0.7 && other.z > 0 && other.z < kFarOff && norm(other) < 1.5 * kFarOff;
    remarks.push_back(
        is_inverted
            ? CameraRemark{Severity::Error, "inverted",
                           "sensor2ego looks inverted: it takes points of the ego frame to the camera; expected the "
                           "camera's "
                           "to the ego frame (x forward, y left, z up)"}
            : CameraRemark{
                  Severity::Error, "on its head",
                  fmt::format("the camera stands on its side or its head: its picture's lower edge points {:.0f} "
                              "degrees off downward (sensor frame: x right, y down, z forward)",
                              std::acos(std::fmax(-1, std::fmin(1, down))) * kDegrees)});
    return;
  }
  if (at.z < 0)
    remarks.push_back({Severity::Error, "below the ground",
                       fmt::format("the camera lies {:.2f} m below the ground (the ego frame's z is 0 there)", -at.z)});
  else if (norm(at) > kFarOff)
    remarks.push_back(
        {Severity::Warning, "far off", fmt::format("the camera lies {:.1f} m off the ego frame's origin", norm(at))});
}

template <class Holds>
double share_of_picture(const Camera& camera, Holds holds) {
  int found = 0;
  for (int y = 0; y < kSteps; ++y)
    for (int x = 0; x < kSteps; ++x)
      found += holds(Pixel{(x + 0.5) * camera.width / kSteps - 0.5, (y + 0.5) * camera.height / kSteps - 0.5});
  return static_cast<double>(found) / (kSteps * kSteps);
}

void check_mask(const Camera& camera, std::vector<CameraRemark>& remarks) {
  if (camera.ego_mask.empty()) return;
  const double share = share_of_picture(camera, [&](Pixel pixel) { return is_masked(camera.ego_mask, pixel); });
  if (share == 0)
    remarks.push_back({Severity::Warning, "mask beside the picture",
                       fmt::format("ego_mask covers nothing of the picture of {}x{} pixels: a mask of another size?",
                                   camera.width, camera.height)});
  if (share > kMostMasked)
    remarks.push_back(
        {Severity::Warning, "mask",
         fmt::format("ego_mask covers {:.0f} % of the picture: does it mark what is to be seen?", 100 * share)});
}

/// Share of the picture's pixels that no ray before the fold leads to.
double unused_share(Camera camera) {
  if (camera.is_fisheye()) camera.fov = 2 * std::numbers::pi;
  const CameraProjector projector(camera);
  return share_of_picture(camera, [&](Pixel pixel) { return !projector.unproject_sensor(pixel); });
}

void check_fold(const Camera& camera, std::vector<CameraRemark>& remarks) {
  const double fold = CameraProjector(camera).fold_back();
  if (!std::isfinite(fold)) return;
  const double share = unused_share(camera);
  if (camera.is_fisheye() && fold < camera.fov / 2) {
    remarks.push_back(
        {Severity::Warning, "folds back",
         fmt::format("the lens sees to {:.1f} of its {:.1f} degrees off the axis: its distortion folds back "
                     "there, {:.0f} % of the picture is unused",
                     fold * kDegrees, camera.fov / 2 * kDegrees, 100 * share)});
  } else if (!camera.is_fisheye() && share > kUnusedShare) {
    remarks.push_back(
        {Severity::Warning, "folds back",
         fmt::format("the distortion folds back at {:.1f} degrees off the axis: {:.0f} % of the picture is "
                     "unused",
                     std::atan(fold) * kDegrees, 100 * share)});
  }
}

}  // namespace

std::vector<CameraRemark> check_camera(const Camera& camera) {
  std::vector<CameraRemark> remarks;
  check_principal_point(camera, remarks);
  check_mount(camera, remarks);
  check_fold(camera, remarks);
  check_mask(camera, remarks);
  return remarks;
}

}  // namespace bevgrad
