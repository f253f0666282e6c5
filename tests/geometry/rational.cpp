// OpenCV's rational lens, forward and back, against OpenCV itself, and its range of validity against the plain formula.
#include <gmock/gmock.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <map>
#include <random>
#include <sstream>
#include <stdexcept>

#include "geometry/camera.h"
#include "support/paths.h"

namespace bevgrad {
namespace {

using ::testing::HasSubstr;

struct Golden {
  std::string name;
  Camera camera;
  std::vector<std::pair<Vec3, Pixel>> looks;
};

std::vector<Golden> golden_cameras() {
  std::ifstream file(testing::source_dir() + "/tests/golden/geometry/opencv.txt");
  std::vector<Golden> all;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    if (line.starts_with("camera")) {
      std::string skipped, model;
      Golden& made = all.emplace_back();
      Camera& c = made.camera;
      words >> skipped >> made.name >> model >> c.width >> c.height >> c.fx >> c.fy >> c.cx >> c.cy;
      const std::map<std::string, CameraKind> kinds = {
          {"pinhole", CameraKind::Pinhole}, {"fisheye", CameraKind::Fisheye}, {"rational", CameraKind::Rational}};
      c.kind = kinds.at(model);
      EXPECT_EQ(bevgrad::name(c.kind), model);
      if (c.is_fisheye()) c.fov = 3.1;
      size_t i = 0;
      for (double value = 0; words >> value; ++i) (i < 5 ? c.distortion[i] : c.denominator[i - 5]) = value;
    } else {
      auto& [ray, pixel] = all.back().looks.emplace_back();
      words >> ray.x >> ray.y >> ray.z >> pixel.u >> pixel.v;
    }
  }
  return all;
}

TEST(OpenCv, ProjectsAsTheCamerasDo) {
  const std::vector<Golden> all = golden_cameras();
  ASSERT_EQ(all.size(), 6u);
  for (const Golden& one : all) {
    ASSERT_EQ(one.looks.size(), 30u);
    const CameraProjector projector(one.camera);
    for (const auto& [ray, pixel] : one.looks) {
      const double radius =
          one.camera.is_fisheye() ? std::atan2(std::hypot(ray.x, ray.y), ray.z) : std::hypot(ray.x, ray.y) / ray.z;
      const auto seen = projector.project_sensor(ray);
      ASSERT_EQ(seen.has_value(), radius < projector.fold_back()) << one.name;
      if (!seen) continue;
      EXPECT_NEAR(seen->u, pixel.u, 1e-6) << one.name;
      EXPECT_NEAR(seen->v, pixel.v, 1e-6) << one.name;
      const auto back = projector.unproject_sensor(pixel);
      ASSERT_TRUE(back.has_value()) << one.name;
      EXPECT_LT(norm(*back - ray * (1 / norm(ray))), 1e-8) << one.name;
    }
  }
}

TEST(Rational, IsValidUpToWhereTheFormulaTurnsBackOrHasAPole) {
  std::mt19937 random(5);
  std::uniform_real_distribution<double> any(-1, 1);
  int bounded = 0;
  for (int trial = 0; trial < 300; ++trial) {
    const std::array<double, 4> k = {any(random), any(random), 0.2 * any(random), 0};
    const std::array<double, 3> d = {any(random), any(random), 0.2 * any(random)};
    const auto at = [&](double r) {
      const double s = r * r;
      return std::pair{r * (1 + s * (k[0] + s * (k[1] + s * k[2]))), 1 + s * (d[0] + s * (d[1] + s * d[2]))};
    };
    // Step by step: the first place that is not further out than the one before, or beyond a pole.
    const double step = 1e-4;
    double expected = std::numeric_limits<double>::infinity(), before = 0;
    for (double r = step; r < 5; r += step) {
      const auto [over, under] = at(r);
      if (under <= 0 || over / under <= before) {
        expected = r;
        break;
      }
      before = over / under;
    }
    const double found = fold_back_radius(k, d);
    if (!std::isfinite(expected)) {
      EXPECT_GT(found, 4.99) << trial;
      continue;
    }
    ++bounded;
    EXPECT_NEAR(found, expected, 2.5 * step) << trial;
  }
  EXPECT_GT(bounded, 100);
  EXPECT_EQ(fold_back_radius({0.1, 0.2, 0.3, 0}, {0.1, 0.2, 0.3}), std::numeric_limits<double>::infinity());
}

TEST(Rational, UnprojectUndoesProjectUpToTheEdgeOfItsRange) {
  for (const Golden& one : golden_cameras()) {
    if (one.camera.kind != CameraKind::Rational) continue;
    const CameraProjector projector(one.camera);
    int seen = 0;
    for (int u = 0; u < one.camera.width; u += 37)
      for (int v = 0; v < one.camera.height; v += 29) {
        const Pixel pixel{static_cast<double>(u), static_cast<double>(v)};
        const auto ray = projector.unproject_sensor(pixel);
        const auto back = ray ? projector.project_sensor(*ray * 3) : std::nullopt;
        if (!back) continue;
        ++seen;
        ASSERT_NEAR(back->u, pixel.u, 1e-5) << one.name;
        ASSERT_NEAR(back->v, pixel.v, 1e-5) << one.name;
      }
    EXPECT_GT(seen, 400) << one.name;
  }
}

TEST(Rational, WhatItsTangentialTermsBringBackIsNotSeen) {
  Camera camera = golden_cameras()[0].camera;
  camera.distortion = {-0.06, 0.01, 0.01, -0.02, 0.002};
  camera.denominator = {0.03, -0.01, 0.005};
  EXPECT_EQ(fold_back_radius({-0.06, 0.01, 0.002, 0}, camera.denominator), std::numeric_limits<double>::infinity());
  const CameraProjector projector(camera);
  EXPECT_GT(projector.fold_back(), 1.5);
  EXPECT_LT(projector.fold_back(), 10);
  // Whatever is seen is where its pixel looks.
  int seen = 0;
  for (double angle = 0; angle < 1.57; angle += 0.01)
    for (double turn = 0; turn < 6.28; turn += 0.1) {
      const Vec3 ray = {std::sin(angle) * std::cos(turn), std::sin(angle) * std::sin(turn), std::cos(angle)};
      const auto pixel = projector.project_sensor(ray * 50);
      if (!pixel) continue;
      ++seen;
      const auto back = projector.unproject_sensor(*pixel);
      ASSERT_TRUE(back.has_value());
      ASSERT_LT(norm(*back - ray), 1e-6) << angle << " " << turn;
    }
  EXPECT_GT(seen, 1000);
}

TEST(Rational, WithoutADenominatorIsThePinhole) {
  Camera pinhole;
  pinhole.width = 960, pinhole.height = 512, pinhole.fx = 500, pinhole.fy = 510, pinhole.cx = 470, pinhole.cy = 260;
  pinhole.distortion = {-0.31, 0.12, 0.002, -0.0015, -0.02};
  Camera rational = pinhole;
  rational.kind = CameraKind::Rational;
  const CameraProjector a(pinhole), b(rational);
  EXPECT_LE(b.fold_back(), a.fold_back());  // where its tangential terms turn it over
  EXPECT_GT(b.fold_back(), a.fold_back() * 0.95);
  for (double x = -1; x < 1; x += 0.13) EXPECT_EQ(a.project_sensor({x, 0.2, 1})->u, b.project_sensor({x, 0.2, 1})->u);
  pinhole.denominator = {0.1, 0, 0};
  try {
    validate(pinhole);
    FAIL();
  } catch (const std::invalid_argument& error) {
    EXPECT_THAT(error.what(), HasSubstr("k4, k5 and k6"));
  }
}

}  // namespace
}  // namespace bevgrad
