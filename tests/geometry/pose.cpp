#include "geometry/pose.h"

#include <gtest/gtest.h>

#include <limits>
#include <numbers>

namespace bevgrad {
namespace {

constexpr double pi = std::numbers::pi;

void expect_near(Vec3 got, Vec3 want, double tolerance = 1e-12) {
  EXPECT_NEAR(got.x, want.x, tolerance);
  EXPECT_NEAR(got.y, want.y, tolerance);
  EXPECT_NEAR(got.z, want.z, tolerance);
}

TEST(Pose, AQuarterTurnTakesForwardToLeft) {
  const Pose pose = Pose::from_yaw(10, 20, 1, pi / 2);
  expect_near(pose.apply({3, 0, 0}), {10, 23, 1});
  expect_near(pose.apply({0, 2, 0.5}), {8, 20, 1.5});
  EXPECT_NEAR(pose.yaw(), pi / 2, 1e-15);
}

TEST(Pose, AnglesTurnAboutTheirAxes) {
  // Pitch down by 30 degrees: forward gains a negative z.
  expect_near(Pose::from_angles({}, 0, pi / 6, 0).apply({1, 0, 0}), {std::cos(pi / 6), 0, -0.5});
  // Roll by a quarter turn: left goes up.
  expect_near(Pose::from_angles({}, 0, 0, pi / 2).apply({0, 1, 0}), {0, 0, 1});
  EXPECT_EQ(Pose::from_angles({1, 2, 3}, 0.4, 0, 0), Pose::from_yaw(1, 2, 3, 0.4));
}

TEST(Pose, ComposeAndInverseAgreeWithApply) {
  const Pose a = Pose::from_angles({1, -2, 0.5}, 2.1, 0.2, -0.3);
  const Pose b = Pose::from_angles({-4, 7, 1.5}, -1.2, -0.1, 0.6);
  const Vec3 p = {3, 4, 5};
  expect_near((a * b).apply(p), a.apply(b.apply(p)));
  expect_near(a.inverse().apply(a.apply(p)), p);
  expect_near((a * b).inverse().apply((a * b).apply(p)), p);
  EXPECT_TRUE((a * b).is_rigid());
}

TEST(Pose, IsRigidRefusesWhatIsNoRigidTransform) {
  Pose scaled;
  scaled.m[0] = 1.01;
  EXPECT_FALSE(scaled.is_rigid());
  Pose mirrored;
  mirrored.m[5] = -1;
  EXPECT_FALSE(mirrored.is_rigid());
  Pose broken;
  broken.m[3] = std::numeric_limits<double>::quiet_NaN();
  EXPECT_FALSE(broken.is_rigid());
  Pose projective;
  projective.m[12] = 0.1;
  EXPECT_FALSE(projective.is_rigid());
}

TEST(GroundWarp, StandingStillIsTheIdentity) {
  const Pose pose = Pose::from_yaw(100, -50, 0, 1.1);
  const Vec2 p = ground_warp(pose, pose).apply({7, 3});
  EXPECT_NEAR(p.x, 7, 1e-12);
  EXPECT_NEAR(p.y, 3, 1e-12);
}

TEST(GroundWarp, DrivingForwardMovesPointsForwardInTheHistoryFrame) {
  // The car went 5 m ahead; what is 2 m ahead now was 7 m ahead then.
  const GroundWarp warp = ground_warp(Pose::from_yaw(0, 5, 0, pi / 2), Pose::from_yaw(0, 0, 0, pi / 2));
  const Vec2 p = warp.apply({2, 1});
  EXPECT_NEAR(p.x, 7, 1e-12);
  EXPECT_NEAR(p.y, 1, 1e-12);
}

TEST(GroundWarp, AfterAQuarterTurnByHand) {
  // Then at the origin facing +x; now at (10, 5) facing +y. A point 2 m ahead and 1 m to the left of now is (9, 7).
  const GroundWarp warp = ground_warp(Pose::from_yaw(10, 5, 0, pi / 2), Pose{});
  const double expected[6] = {0, -1, 10, 1, 0, 5};
  for (int i = 0; i < 6; ++i) EXPECT_NEAR(warp.m[static_cast<size_t>(i)], expected[i], 1e-12);
  const Vec2 p = warp.apply({2, 1});
  EXPECT_NEAR(p.x, 9, 1e-12);
  EXPECT_NEAR(p.y, 7, 1e-12);
  // The other way round: now at the origin facing +x, then at (10, 5) facing +y.
  const Vec2 back = ground_warp(Pose{}, Pose::from_yaw(10, 5, 0, pi / 2)).apply({9, 7});
  EXPECT_NEAR(back.x, 2, 1e-12);
  EXPECT_NEAR(back.y, 1, 1e-12);
}

TEST(GroundWarp, TheBlockStaysAPureRotationWhereTheCarPitchesAndRolls) {
  const GroundWarp warp =
      ground_warp(Pose::from_angles({3, 1, 0.2}, 0.5, 0.1, -0.08), Pose::from_angles({}, 0.1, -0.05, 0.03));
  const auto& m = warp.m;
  EXPECT_NEAR(m[0] * m[0] + m[3] * m[3], 1, 1e-14);
  EXPECT_EQ(m[0], m[4]);
  EXPECT_EQ(m[1], -m[3]);
}

TEST(WrapAngle, StaysInTheHalfOpenInterval) {
  EXPECT_DOUBLE_EQ(wrap_angle(pi), pi);
  EXPECT_DOUBLE_EQ(wrap_angle(-pi), pi);
  EXPECT_NEAR(wrap_angle(3 * pi / 2), -pi / 2, 1e-15);
  EXPECT_NEAR(wrap_angle(-7.0), -7.0 + 2 * pi, 1e-15);
}

}  // namespace
}  // namespace bevgrad
