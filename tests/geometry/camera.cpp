#include "geometry/camera.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numbers>
#include <stdexcept>

namespace bevgrad {
namespace {

constexpr double pi = std::numbers::pi;

Camera pinhole(std::array<double, 5> distortion = {}) {
  Camera camera;
  camera.width = 960;
  camera.height = 512;
  camera.fx = 500;
  camera.fy = 510;
  camera.cx = 470;
  camera.cy = 260;
  camera.distortion = distortion;
  return camera;
}

Camera fisheye(std::array<double, 5> distortion = {}, double fov = 190 * pi / 180) {
  Camera camera = pinhole(distortion);
  camera.kind = CameraKind::Fisheye;
  camera.fx = camera.fy = 280;
  camera.fov = fov;
  return camera;
}

/// x forward, y left, z up -> a camera that looks along +x, 1.5 m up.
Pose looking_forward() {
  Pose pose;
  pose.m = {0, 0, 1, 0, -1, 0, 0, 0, 0, -1, 0, 1.5, 0, 0, 0, 1};
  return pose;
}

TEST(Pinhole, ByHandInTheEgoFrame) {
  Camera camera = pinhole();
  camera.sensor2ego = looking_forward();
  // 10 m ahead, 2 m to the left, on the ground: right = -2, down = 1.5, depth 10.
  const auto pixel = project(camera, {10, 2, 0});
  ASSERT_TRUE(pixel);
  EXPECT_NEAR(pixel->u, 470 - 500 * 0.2, 1e-12);
  EXPECT_NEAR(pixel->v, 260 + 510 * 0.15, 1e-12);
}

TEST(Pinhole, DistortionAsInOpenCVsFormulas) {
  // Worked in polar coordinates, apart from the code's own way of writing it.
  const double k1 = -0.31, k2 = 0.12, p1 = 0.002, p2 = -0.0015, k3 = -0.02;
  const CameraProjector projector(pinhole({k1, k2, p1, p2, k3}));
  for (double r : {0.0, 0.1, 0.3, 0.45})
    for (double phi : {0.0, 0.7, 2.5, -1.9}) {
      const double radial = r + k1 * std::pow(r, 3) + k2 * std::pow(r, 5) + k3 * std::pow(r, 7);
      const double x = radial * std::cos(phi) + p1 * r * r * std::sin(2 * phi) + p2 * r * r * (2 + std::cos(2 * phi));
      const double y = radial * std::sin(phi) + p1 * r * r * (2 - std::cos(2 * phi)) + p2 * r * r * std::sin(2 * phi);
      const auto pixel = projector.project_sensor({4 * r * std::cos(phi), 4 * r * std::sin(phi), 4});
      ASSERT_TRUE(pixel);
      EXPECT_NEAR(pixel->u, 500 * x + 470, 1e-9);
      EXPECT_NEAR(pixel->v, 510 * y + 260, 1e-9);
    }
}

TEST(Pinhole, DepthAndBoundsDecideVisibility) {
  const CameraProjector projector(pinhole());
  EXPECT_FALSE(projector.project_sensor({0, 0, 0.1}));
  EXPECT_TRUE(projector.project_sensor({0, 0, 0.1000001}));
  EXPECT_FALSE(projector.project_sensor({0, 0, -5}));
  // u = 500 x + 470: the left edge -0.5 is inside, the right edge 959.5 is not.
  EXPECT_TRUE(projector.project_sensor({-470.4999 / 500, 0, 1}));
  EXPECT_FALSE(projector.project_sensor({-470.5001 / 500, 0, 1}));
  EXPECT_TRUE(projector.project_sensor({489.4999 / 500, 0, 1}));
  EXPECT_FALSE(projector.project_sensor({489.5001 / 500, 0, 1}));
  EXPECT_FALSE(projector.project_sensor({0, 251.5001 / 510, 1}));
  EXPECT_FALSE(projector.project_sensor({std::numeric_limits<double>::quiet_NaN(), 0, 1}));
}

TEST(Pinhole, PointsPastTheFoldBackAreNoGhosts) {
  // r (1 - 0.3 r^2) rises until r = sqrt(1 / 0.9) and comes back to zero at 1.826.
  const CameraProjector projector(pinhole({-0.3, 0, 0, 0, 0}));
  EXPECT_NEAR(projector.fold_back(), std::sqrt(1 / 0.9), 1e-12);
  EXPECT_TRUE(projector.project_sensor({0, 0.4, 1}));
  EXPECT_FALSE(projector.project_sensor({1.7, 0, 1}));  // the formula alone would put it inside the image
}

TEST(FoldBack, FindsTheFirstRoot) {
  EXPECT_EQ(fold_back_radius({0, 0, 0, 0}), std::numeric_limits<double>::infinity());
  EXPECT_EQ(fold_back_radius({0.2, 0.1, 0, 0}), std::numeric_limits<double>::infinity());
  // 1 + 3 k1 t + 5 k2 t^2 = (1 - t / 0.5) (1 - t / 2): zeros at r^2 = 0.5 and 2.
  EXPECT_NEAR(fold_back_radius({-2.5 / 3, 1.0 / 5, 0, 0}), std::sqrt(0.5), 1e-12);
  // (1 - t/1.2)(1 - t/1.7)(1 + t/3)(1 + t/4): the smallest positive one counts.
  const double a = -1 / 1.2, b = -1 / 1.7, c = 1 / 3.0, d = 1 / 4.0;
  const double e1 = a + b + c + d, e2 = a * b + a * c + a * d + b * c + b * d + c * d;
  const double e3 = a * b * c + a * b * d + a * c * d + b * c * d, e4 = a * b * c * d;
  EXPECT_NEAR(fold_back_radius({e1 / 3, e2 / 5, e3 / 7, e4 / 9}), std::sqrt(1.2), 1e-10);
  // A zero that only the last coefficient makes, far out.
  EXPECT_NEAR(fold_back_radius({0, 0, -1e-6, 0}), std::pow(1 / 7e-6, 1.0 / 6), 1e-9);
}

TEST(Fisheye, AsInOpenCVsFormulasPast90Degrees) {
  const std::array<double, 5> k = {0.05, -0.01, 0.002, -0.0003, 0};
  Camera camera = fisheye(k);
  camera.width = 2000;
  camera.height = 2000;
  camera.cx = camera.cy = 1000;
  const CameraProjector projector(camera);
  for (double degrees : {0.5, 30.0, 60.0, 89.0, 91.0, 94.9})
    for (double phi : {0.3, 2.0, -2.8}) {
      const double t = degrees * pi / 180;
      const double td =
          t + k[0] * std::pow(t, 3) + k[1] * std::pow(t, 5) + k[2] * std::pow(t, 7) + k[3] * std::pow(t, 9);
      const auto pixel =
          projector.project_sensor({7 * std::sin(t) * std::cos(phi), 7 * std::sin(t) * std::sin(phi), 7 * std::cos(t)});
      ASSERT_TRUE(pixel) << degrees;
      EXPECT_NEAR(pixel->u, 1000 + 280 * td * std::cos(phi), 1e-9);
      EXPECT_NEAR(pixel->v, 1000 + 280 * td * std::sin(phi), 1e-9);
    }
  const auto at = [](double degrees) { return Vec3{std::sin(degrees * pi / 180), 0, std::cos(degrees * pi / 180)}; };
  EXPECT_TRUE(projector.project_sensor(at(94.99)));
  EXPECT_FALSE(projector.project_sensor(at(95.01)));  // past half of 190 degrees
  const auto axis = projector.project_sensor({0, 0, 3});
  ASSERT_TRUE(axis);
  EXPECT_EQ(axis->u, 1000);
}

TEST(Fisheye, FoldBackCutsBeforeTheFieldOfView) {
  // theta (1 - theta^2 / 6) folds back at sqrt(2) = 81 degrees.
  const CameraProjector projector(fisheye({-1.0 / 6, 0, 0, 0, 0}));
  EXPECT_NEAR(projector.fold_back(), std::sqrt(2), 1e-12);
  EXPECT_TRUE(projector.project_sensor({std::sin(1.41), 0, std::cos(1.41)}));
  EXPECT_FALSE(projector.project_sensor({std::sin(1.42), 0, std::cos(1.42)}));
}

TEST(Unproject, UndoesProjectForEveryModel) {
  const Camera cameras[] = {
      pinhole(),
      pinhole({-0.31, 0.12, 0.002, -0.0015, -0.02}),
      pinhole({0.2, 0.05, -0.003, 0.004, 0.01}),
      pinhole({-0.3, 0, 0, 0, 0}),
      fisheye(),
      fisheye({0.05, -0.01, 0.002, -0.0003, 0}),
      fisheye({-0.02, 0.003, -0.001, 0.0001, 0}, 2 * pi * 0.97),
  };
  for (size_t index = 0; index < std::size(cameras); ++index) {
    Camera camera = cameras[index];
    camera.sensor2ego = Pose::from_angles({1, 2, 3}, 0.3, -0.2, 0.1) * looking_forward();
    const CameraProjector projector(camera);
    int seen = 0;
    for (int row = 0; row < 512; row += 37)
      for (int column = 0; column < 960; column += 41) {
        const auto ray = projector.unproject({column + 0.25, row - 0.25});
        if (!ray) continue;
        EXPECT_NEAR(norm(ray->direction), 1, 1e-12);
        const auto back = projector.project(ray->origin + ray->direction * 9.0);
        if (!back) continue;  // a ray outside the field by rounding
        ++seen;
        EXPECT_NEAR(back->u, column + 0.25, 1e-6) << "camera " << index;
        EXPECT_NEAR(back->v, row - 0.25, 1e-6) << "camera " << index;
      }
    EXPECT_GT(seen, 150) << "camera " << index;
  }
}

TEST(Unproject, ReachesPast90DegreesAndStopsAtTheField) {
  const CameraProjector projector(fisheye());
  const auto ray = projector.unproject_sensor({470 + 280 * 1.65, 260});  // 94.5 degrees
  ASSERT_TRUE(ray);
  EXPECT_LT(ray->z, 0);
  EXPECT_NEAR(std::atan2(ray->x, ray->z), 1.65, 1e-12);
  EXPECT_FALSE(projector.unproject_sensor({470 + 280 * 1.67, 260}));  // 95.7 degrees
}

TEST(Unproject, GivesNothingWhereNoRayLeads) {
  // r (1 - 0.3 r^2) never exceeds 0.703.
  EXPECT_FALSE(CameraProjector(pinhole({-0.3, 0, 0, 0, 0})).unproject_sensor({470 + 500 * 0.72, 260}));
}

TEST(CameraMount, LooksWhereItIsTurned) {
  const Pose left = camera_mount({1, 2, 3}, pi / 2, 0, 0);
  const Vec3 ahead = left.apply({0, 0, 1});  // along the optical axis
  EXPECT_NEAR(ahead.x, 1, 1e-12);
  EXPECT_NEAR(ahead.y, 3, 1e-12);
  EXPECT_NEAR(ahead.z, 3, 1e-12);
  EXPECT_NEAR(camera_mount({}, 0, 0.2, 0).apply({0, 0, 1}).z, -std::sin(0.2), 1e-12);  // downward
  EXPECT_NEAR(camera_mount({}, 0, 0, 0.2).apply({1, 0, 0}).z, -std::sin(0.2), 1e-12);  // its right side sinks
}

TEST(CameraWithFov, SpansTheImage) {
  const Camera narrow = camera_with_fov(CameraKind::Pinhole, 200, 100, pi / 2);
  const auto edge = *CameraProjector(narrow).unproject_sensor({199.5, narrow.cy});
  EXPECT_NEAR(std::atan2(edge.x, edge.z), pi / 4, 1e-12);
  const Camera wide = camera_with_fov(CameraKind::Fisheye, 200, 100, 190 * pi / 180);
  const auto rim = *CameraProjector(wide).unproject_sensor({-0.5, wide.cy});
  EXPECT_NEAR(std::atan2(rim.x, rim.z), -95 * pi / 180, 1e-9);
  EXPECT_THROW(camera_with_fov(CameraKind::Pinhole, 200, 100, pi), std::invalid_argument);
}

TEST(Resized, KeepsThePixelCentreConvention) {
  const Camera full = pinhole();
  const Camera half = resized(full, 480, 256);
  const Camera uneven = resized(full, 160, 96);
  const Vec3 point = {0.4, -0.2, 2};
  const auto u = *CameraProjector(full).project_sensor(point);
  const auto h = *CameraProjector(half).project_sensor(point);
  EXPECT_NEAR(h.u, (u.u + 0.5) / 2 - 0.5, 1e-12);
  EXPECT_NEAR(h.v, (u.v + 0.5) / 2 - 0.5, 1e-12);
  const auto s = *CameraProjector(uneven).project_sensor(point);
  EXPECT_NEAR(s.u, (u.u + 0.5) / 6 - 0.5, 1e-12);
  EXPECT_NEAR(s.v, (u.v + 0.5) * 96 / 512 - 0.5, 1e-12);
  EXPECT_THROW(resized(full, 0, 10), std::invalid_argument);
}

TEST(Cropped, MovesThePrincipalPoint) {
  const Camera camera = cropped(pinhole(), 100, 40, 600, 400);
  EXPECT_EQ(camera.cx, 370);
  EXPECT_EQ(camera.cy, 220);
  EXPECT_EQ(camera.width, 600);
}

TEST(EgoMask, WhatItCoversIsNotSeen) {
  Camera camera = pinhole();
  const Vec3 below = {0, 0.7, 2}, ahead = {0, 0, 2};
  ASSERT_TRUE(CameraProjector(camera).project_sensor(below).has_value());
  camera.ego_mask = {{{200, 400}, {700, 400}, {700, 511.5}, {200, 511.5}}, {{0, 0}, {10, 0}, {0, 10}}};
  EXPECT_FALSE(CameraProjector(camera).project_sensor(below).has_value());
  EXPECT_TRUE(CameraProjector(camera).project_sensor(ahead).has_value());
  EXPECT_TRUE(is_masked(camera.ego_mask, {2, 2}));
  EXPECT_FALSE(is_masked(camera.ego_mask, {9, 9}));
  // It goes with the picture.
  for (const Camera& other : {resized(camera, 320, 256), cropped(camera, 150, 30, 700, 480)}) {
    const CameraProjector projector(other);
    EXPECT_FALSE(projector.project_sensor(below).has_value());
    EXPECT_TRUE(projector.project_sensor(ahead).has_value());
    for (double v = 1; v < other.height; v += 7)
      for (double u = 1; u < other.width; u += 7) {
        const auto ray = projector.unproject_sensor({u, v});
        ASSERT_TRUE(ray.has_value());
        EXPECT_EQ(projector.project_sensor(*ray).has_value(), CameraProjector(camera).project_sensor(*ray).has_value());
      }
  }
}

TEST(Validate, NamesWhatIsWrong) {
  const auto message = [](const Camera& camera) -> std::string {
    try {
      validate(camera);
    } catch (const std::invalid_argument& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(message(pinhole()), "");
  Camera camera = pinhole();
  camera.fx = 0;
  EXPECT_NE(message(camera).find("fx"), std::string::npos);
  camera = pinhole({std::nan(""), 0, 0, 0, 0});
  EXPECT_NE(message(camera).find("distortion"), std::string::npos);
  EXPECT_NE(message(fisheye({}, 0)).find("fov"), std::string::npos);
  camera = pinhole();
  camera.sensor2ego.m[0] = 2;
  EXPECT_NE(message(camera).find("sensor2ego"), std::string::npos);
  EXPECT_THROW(CameraProjector{camera}, std::invalid_argument);
  camera = pinhole();
  camera.ego_mask = {{{0, 0}, {1, 1}}};
  EXPECT_NE(message(camera).find("ego_mask must have three corners"), std::string::npos);
  camera.ego_mask = {{{0, 0}, {1, 1}, {std::nan(""), 0}}};
  EXPECT_NE(message(camera).find("ego_mask must be finite"), std::string::npos);
}

}  // namespace
}  // namespace bevgrad
