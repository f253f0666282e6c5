// The view transform: what a pixel shows on the ground must come out at its place.
#include "models/camera/view_transfer.h"

#include <gtest/gtest.h>

#include <numbers>

#include "models/camera/lift_table.h"
#include "support/golden.h"

namespace bevgrad {
namespace {

constexpr double kPi = std::numbers::pi;

/// A camera at a height that looks along `yaw`, `pitch` downward.
Pose looking(Vec3 position, double yaw, double pitch) {
  const double cy = std::cos(yaw), sy = std::sin(yaw), cp = std::cos(pitch), sp = std::sin(pitch);
  Pose pose;
  const double columns[3][3] = {
      {sy, -cy, 0}, {-sp * cy, -sp * sy, -cp}, {cp * cy, cp * sy, -sp}};  // right, down, ahead
  const double translation[3] = {position.x, position.y, position.z};
  for (int row = 0; row < 3; ++row) {
    for (int k = 0; k < 3; ++k) pose.at(row, k) = columns[k][row];
    pose.at(row, 3) = translation[row];
  }
  return pose;
}

Camera camera_of(CameraKind kind, int width, int height, double fx, double fy, double cx, double cy) {
  Camera camera;
  camera.kind = kind;
  camera.width = width, camera.height = height;
  camera.fx = fx, camera.fy = fy, camera.cx = cx, camera.cy = cy;
  return camera;
}

Camera pinhole(bool distorted) {
  Camera camera = camera_of(CameraKind::Pinhole, 320, 240, 150, 155, 160.3, 118.8);
  if (distorted) camera.distortion = {-0.2, 0.04, 0.002, -0.001, -0.003};
  camera.sensor2ego = looking({-1, 0.3, 1.7}, 0.1, 0.4);
  return camera;
}

Camera fisheye() {
  Camera camera = camera_of(CameraKind::Fisheye, 320, 320, 95, 95, 158.8, 161.1);
  camera.distortion = {0.02, -0.005, 0.001, -0.0002, 0};
  camera.fov = 190 * kPi / 180;
  camera.sensor2ego = looking({0.5, 1.0, 1.1}, kPi / 2, 0.6);
  return camera;
}

BevPoints ground() {
  return {{.x_min = -4, .y_min = -6.4, .z_min = -3, .x_max = 12, .y_max = 6.4, .z_max = 5, .cell = 0.8}, {0.0}};
}

struct RoundTrip : ::testing::TestWithParam<std::pair<const char*, Camera>> {};

// A feature map whose two channels say which ground point each of its pixels looks at.
TEST_P(RoundTrip, GroundColouredImageComesOutInPlace) {
  const Camera camera = GetParam().second;
  const CameraProjector projector(camera);
  constexpr int kStride = 4;
  const int64_t h = camera.height / kStride, w = camera.width / kStride;
  const Tensor image = zeros({1, 3, h, w}, {DType::Float32, MemoryFormat::ChannelsLast});
  float* out = image.data<float>();
  for (int64_t row = 0; row < h; ++row) {
    for (int64_t column = 0; column < w; ++column) {
      // The centre of a feature pixel, back in image pixels.
      const Pixel pixel = {(static_cast<double>(column) + 0.5) * kStride - 0.5,
                           (static_cast<double>(row) + 0.5) * kStride - 0.5};
      const std::optional<Ray> ray = projector.unproject(pixel);
      if (!ray || ray->direction.z > -0.02) continue;
      const double distance = -ray->origin.z / ray->direction.z;
      float* to = out + (row * w + column) * 3;
      to[0] = static_cast<float>(ray->origin.x + distance * ray->direction.x);
      to[1] = static_cast<float>(ray->origin.y + distance * ray->direction.y);
      to[2] = 1;  // shows the ground
    }
  }
  Generator generator(1);
  ViewTransfer view(3, 4, ground(), generator);
  const Tensor bev = view.sample({image}, {{camera}});
  ASSERT_EQ(bev.sizes(), (Shape{1, 3, 16, 20}));
  const std::vector<double> values = bev.to_vector();
  int compared = 0;
  for (int64_t row = 0; row < 16; ++row) {
    for (int64_t column = 0; column < 20; ++column) {
      const double x = -4 + (static_cast<double>(column) + 0.5) * 0.8,
                   y = -6.4 + (static_cast<double>(row) + 0.5) * 0.8;
      const std::optional<Pixel> pixel = projector.project({x, y, 0});
      const size_t at = static_cast<size_t>(row * 20 + column);
      if (!pixel) {
        EXPECT_EQ(values[at], 0) << "an unseen cell holds something";
        continue;
      }
      // Away from the border and from pixels above the horizon, bilinear interpolation is good to a part of a pixel's
      // footprint on the ground.
      const bool inside = pixel->u > kStride && pixel->u < camera.width - 1 - kStride && pixel->v > kStride &&
                          pixel->v < camera.height - 1 - kStride;
      const Vec3 from = camera.sensor2ego.translation();
      const double distance = std::hypot(x - from.x, y - from.y);
      if (!inside || values[640 + at] < 0.999 || distance > 7) continue;
      const double footprint = kStride / camera.fx * (distance * distance + from.z * from.z) / from.z;
      EXPECT_NEAR(values[at], x, 0.25 * footprint) << row << "," << column;
      EXPECT_NEAR(values[320 + at], y, 0.25 * footprint) << row << "," << column;
      ++compared;
    }
  }
  EXPECT_GT(compared, 20);
}

INSTANTIATE_TEST_SUITE_P(Cameras, RoundTrip,
                         ::testing::Values(std::pair{"pinhole", pinhole(false)}, std::pair{"distorted", pinhole(true)},
                                           std::pair{"fisheye", fisheye()}),
                         [](const auto& info) { return info.param.first; });

TEST(ViewTransfer, MeanOverTheCamerasThatSeeAndHeightMajorChannels) {
  BevPoints points = ground();
  points.heights = {0.0, 0.5};
  Generator generator(1);
  ViewTransfer view(2, 4, points, generator);
  const Camera camera = pinhole(false);
  const auto constant = [&](double value) {
    return full({1, 2, 30, 40}, value, {DType::Float32, MemoryFormat::ChannelsLast});
  };
  // Two groups with the same camera: 2 and 6 have the mean 4 wherever the camera sees, 0 elsewhere.
  const Tensor bev = view.sample({constant(2), constant(6)}, {{camera, camera}});
  ASSERT_EQ(bev.size(1), 4);
  int seen = 0;
  for (size_t z = 0; z < 2; ++z) {
    for (int64_t row = 0; row < 16; ++row) {
      for (int64_t column = 0; column < 20; ++column) {
        const Vec3 point = {-4 + (static_cast<double>(column) + 0.5) * 0.8,
                            -6.4 + (static_cast<double>(row) + 0.5) * 0.8, points.heights[z]};
        const bool visible = project(camera, point).has_value();
        const Tensor cell = ops::select(ops::select(ops::select(bev, 0, 0), 1, row), 1, column);
        EXPECT_FLOAT_EQ(cell.to_vector()[z * 2], visible ? 4 : 0);
        EXPECT_FLOAT_EQ(cell.to_vector()[z * 2 + 1], visible ? 4 : 0);
        seen += visible;
      }
    }
  }
  EXPECT_GT(seen, 100);
}

TEST(ViewTransfer, NothingIsTakenFromTheOwnVehicle) {
  const std::vector<BevSamplingGroup> groups = {{1, 30, 40}};
  Camera masked = pinhole(false);
  masked.ego_mask = {{{-0.5, masked.height * 0.6},
                      {masked.width * 0.7, masked.height * 0.6},
                      {masked.width * 0.7, masked.height - 0.5},
                      {-0.5, masked.height - 0.5}}};
  const BevSamplingTable all = project_points(ground(), groups, {pinhole(false)}),
                         table = project_points(ground(), groups, {masked});
  EXPECT_LT(table.looks.size(), all.looks.size());
  EXPECT_GT(table.looks.size(), 0u);
  const auto is_in_mask = [&](double u, double v) {  // of the feature map
    const double stride = masked.width / 40.0;
    return is_masked(masked.ego_mask, {(u + 0.5) * stride - 0.5, (v + 0.5) * stride - 0.5});
  };
  int64_t kept = 0;
  for (const BevLook& look : all.looks) kept += !is_in_mask(look.u, look.v);
  EXPECT_EQ(static_cast<int64_t>(table.looks.size()), kept);
  const LiftTable lifted = lift_table({}, {}, groups, {masked});
  EXPECT_GT(lifted.runs.size(), 0u);
  for (const LiftRun& run : lifted.runs) EXPECT_FALSE(is_in_mask(run.pixel % 40, static_cast<double>(run.pixel / 40)));
}

TEST(ViewTransfer, EverySampleHasItsOwnRig) {
  Camera near = pinhole(false), far = near;
  far.sensor2ego = looking({3, -2, 1.7}, -0.4, 0.3);
  Generator generator(1);
  ViewTransfer view(2, 4, ground(), generator);
  const Tensor features = testing::golden_tensor("features", {2, 2, 30, 40});
  const Tensor both = view.sample({features}, {{near}, {far}});
  const Tensor first = view.sample({ops::narrow(features, 0, 0, 1)}, {{near}});
  const Tensor second = view.sample({ops::narrow(features, 0, 1, 1)}, {{far}});
  EXPECT_EQ(both.to_vector(), ops::cat({first, second}, 0).to_vector());
}

TEST(BevProjection, TablesAreKeptPerCalibration) {
  BevProjectionCache cache(ground(), 2);
  const std::vector<BevSamplingGroup> groups = {{1, 30, 40}};
  Camera other = pinhole(false);
  other.cx += 1e-9;
  const auto first = cache.find(groups, {pinhole(false)});
  EXPECT_EQ(first, cache.find(groups, {pinhole(false)}));
  EXPECT_NE(first, cache.find(groups, {other}));
  EXPECT_NE(first, cache.find({{1, 60, 80}}, {pinhole(false)}));
}

TEST(BevProjection, WrongCalibrationsAreNamed) {
  const std::vector<BevSamplingGroup> groups = {{2, 30, 40}};
  EXPECT_THROW(project_points(ground(), groups, {pinhole(false)}), Error);
  Camera broken = pinhole(false);
  broken.fx = -1;
  try {
    project_points(ground(), groups, {pinhole(false), broken});
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("camera 1"), std::string::npos);
    EXPECT_NE(std::string(error.what()).find("fx"), std::string::npos);
  }
}

}  // namespace
}  // namespace bevgrad
