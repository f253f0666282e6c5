#include "geometry/lens.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <map>
#include <numbers>
#include <random>
#include <sstream>
#include <stdexcept>

#include "geometry/lens_fit.h"
#include "support/paths.h"

namespace bevgrad {
namespace {

using ::testing::HasSubstr;

Lens lens(LensModel model, std::vector<double> parameters, double fx = 300, double fy = 300) {
  return {model, 640, 480, fx, fy, 319.5, 239.5, std::move(parameters)};
}

/// Calibrations as their sources publish them (or close to it).
const Lens kKitti360{LensModel::Mei, 1400,   1400,   1336.3,
                     1335.8,         716.94, 705.76, {2.2134, 0.016798, 1.6548, 0.00042223, 0.00042462}};
const Lens kWoodScape{LensModel::WoodScape, 1280, 966, 1, 1, 643.442, 479.407, {339.749, -31.988, 48.275, -7.201}};
const Lens kDoubleSphere{LensModel::DoubleSphere, 512, 512, 157.7, 157.7, 254.9, 256.9, {-0.17, 0.59}};
const Lens kOCam{
    LensModel::OCam, 752, 480, 1, 1, 371.5, 236.1, {0.9998, 0.0001, 0.0003, -179.5, 0, 0.0016, -4.3e-6, 1.5e-8}};
const Lens kRational{
    LensModel::Rational, 1920, 1080, 1030, 1031, 957, 543, {6.1, 2.4, 1e-4, -2e-5, 0.11, 6.4, 4.2, 0.7}};

TEST(Lens, KnownCasesOfEachFormula) {
  const Vec3 ray{0.3, -0.4, 1.2};
  const double angle = std::atan2(0.5, 1.2);
  const auto expect = [&](const Lens& one, double radius) {  // in focal lengths
    const auto pixel = project(one, ray);
    ASSERT_TRUE(pixel.has_value());
    EXPECT_NEAR(pixel->u, 319.5 + one.fx * radius * 0.6, 1e-9);
    EXPECT_NEAR(pixel->v, 239.5 - one.fy * radius * 0.8, 1e-9);
  };
  expect(lens(LensModel::Rational, {0, 0, 0, 0, 0, 0, 0, 0}, 300, 310), std::tan(angle));
  expect(lens(LensModel::Mei, {0, 0, 0, 0, 0}), std::tan(angle));
  expect(lens(LensModel::Mei, {1, 0, 0, 0, 0}), std::tan(angle / 2));  // stereographic
  expect(lens(LensModel::DoubleSphere, {0, 0}), std::tan(angle));
  expect(lens(LensModel::DoubleSphere, {0, 0.5}), 2 * std::tan(angle / 2));
  expect(lens(LensModel::WoodScape, {300, 20, -4, 1}, 1, 1), angle * (300 + angle * (20 + angle * (-4 + angle))));
  expect(lens(LensModel::OCam, {1, 0, 0, -300}, 1, 1), 300 * std::tan(angle));
  // r = 0.5 / 1.2 with one term above and one below.
  const double r2 = 0.25 / 1.44;
  expect(lens(LensModel::Rational, {0.2, 0, 0, 0, 0, 0.1, 0, 0}), std::sqrt(r2) * (1 + 0.2 * r2) / (1 + 0.1 * r2));
}

TEST(Lens, TheRationalModelHoldsOpenCvsFiveCoefficients) {
  Camera camera;
  camera.width = 640;
  camera.height = 480;
  camera.fx = 300;
  camera.fy = 310;
  camera.cx = 319.5;
  camera.cy = 239.5;
  camera.distortion = {-0.2, 0.05, 0.002, -0.001, 0.01};
  const Lens same = lens(LensModel::Rational, {-0.2, 0.05, 0.002, -0.001, 0.01, 0, 0, 0}, 300, 310);
  const CameraProjector projector(camera);
  for (const Vec3 ray : {Vec3{0.3, 0.2, 1}, Vec3{-0.5, 0.4, 1}, Vec3{0, 0, 1}}) {
    const auto a = projector.project_sensor(ray), b = project(same, ray);
    ASSERT_TRUE(a && b);
    EXPECT_NEAR(a->u, b->u, 1e-9);
    EXPECT_NEAR(a->v, b->v, 1e-9);
  }
}

TEST(Lens, AxesOfOCamAreItsRowsAndColumns) {
  const auto right = project(kOCam, {0.1, 0, 1}), down = project(kOCam, {0, 0.1, 1});
  ASSERT_TRUE(right && down);
  EXPECT_GT(right->u, kOCam.cx + 10);
  EXPECT_NEAR(right->v, kOCam.cy, 0.01);
  EXPECT_GT(down->v, kOCam.cy + 10);
  EXPECT_NEAR(down->u, kOCam.cx, 0.01);
}

TEST(Lens, ForwardAndBackAreInverse) {
  std::mt19937 random(3);
  std::uniform_real_distribution<double> share(0, 1);
  for (const Lens& one : {kKitti360, kWoodScape, kDoubleSphere, kOCam, kRational}) {
    int seen = 0;
    for (int i = 0; i < 2000; ++i) {
      const Pixel pixel{share(random) * one.width, share(random) * one.height};
      const auto ray = unproject(one, pixel);
      if (!ray) continue;
      EXPECT_NEAR(norm(*ray), 1, 1e-12);
      const auto back = project(one, *ray * 7);
      if (!back) continue;
      ++seen;
      EXPECT_NEAR(back->u, pixel.u, 1e-5);
      EXPECT_NEAR(back->v, pixel.v, 1e-5);
    }
    EXPECT_GT(seen, 1000) << static_cast<int>(one.model);
  }
}

/// The lenses of golden/geometry/lenses.txt with rays and their pixels.
struct GoldenLens {
  std::string name, model;
  Lens lens;
  std::vector<std::pair<Vec3, Pixel>> looks;
};

std::vector<GoldenLens> golden_lenses() {
  std::ifstream file(testing::source_dir() + "/tests/golden/geometry/lenses.txt");
  std::vector<GoldenLens> lenses;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    if (line.starts_with("lens")) {
      std::string skipped;
      GoldenLens& made = lenses.emplace_back();
      Lens& lens = made.lens;
      words >> skipped >> made.name >> made.model >> lens.width >> lens.height >> lens.fx >> lens.fy >> lens.cx >>
          lens.cy;
      for (double value = 0; words >> value;) lens.parameters.push_back(value);
      if (made.model != "fisheye") lens.model = lens_model_named(made.model);
    } else {
      auto& [ray, pixel] = lenses.back().looks.emplace_back();
      words >> ray.x >> ray.y >> ray.z >> pixel.u >> pixel.v;
    }
  }
  return lenses;
}

Camera fisheye_of(const Lens& lens) {
  Camera camera;
  camera.kind = CameraKind::Fisheye;
  camera.width = lens.width;
  camera.height = lens.height;
  camera.fx = lens.fx;
  camera.fy = lens.fy;
  camera.cx = lens.cx;
  camera.cy = lens.cy;
  std::copy(lens.parameters.begin(), lens.parameters.end(), camera.distortion.begin());
  camera.fov = 2 * std::numbers::pi;
  return camera;
}

TEST(Lens, RealCalibrationsProjectAsAnotherImplementationSays) {
  const std::vector<GoldenLens> lenses = golden_lenses();
  ASSERT_EQ(lenses.size(), 9u);
  for (const GoldenLens& one : lenses) {
    ASSERT_EQ(one.looks.size(), 24u);
    const bool is_fisheye = one.model == "fisheye";
    const CameraProjector fisheye(is_fisheye ? fisheye_of(one.lens) : camera_with_fov(CameraKind::Fisheye, 64, 64, 1));
    for (const auto& [ray, pixel] : one.looks) {
      const auto seen = is_fisheye ? fisheye.project_sensor(ray) : project(one.lens, ray);
      ASSERT_TRUE(seen.has_value()) << one.name;
      EXPECT_NEAR(seen->u, pixel.u, 1e-6) << one.name;
      EXPECT_NEAR(seen->v, pixel.v, 1e-6) << one.name;
      const auto back = is_fisheye ? fisheye.unproject_sensor(pixel) : unproject(one.lens, pixel);
      ASSERT_TRUE(back.has_value()) << one.name;
      EXPECT_LT(norm(*back - ray * (1 / norm(ray))), 1e-8) << one.name;
    }
  }
}

// Within a pixel all but the wide depth camera's corners, the colour camera's and an axis that is not square.
TEST(LensFit, RealCalibrationsAreRefittedWithTheErrorStated) {
  const std::map<std::string, double> limits = {{"kinect_colour", 2.7}, {"kinect_depth", 13.2}, {"ocam_skewed", 1.3}};
  for (const GoldenLens& one : golden_lenses()) {
    if (one.model == "fisheye") continue;
    const LensFit fit = fit_lens(one.lens);
    const auto limit = limits.find(one.name);
    EXPECT_LT(fit.worst, limit == limits.end() ? 1 : limit->second) << one.name << ": " << fit.mean;
    // The error that is stated holds for the rays of the other implementation.
    const CameraProjector projector(fit.camera);
    for (const auto& [ray, pixel] : one.looks) {
      const auto seen = projector.project_sensor(ray);
      if (!seen) continue;
      EXPECT_LT(std::hypot(seen->u - pixel.u, seen->v - pixel.v), fit.worst * 1.1 + 1e-6) << one.name;
    }
  }
}

TEST(Lens, WhatCannotBeIsNamed) {
  const auto error = [](const Lens& one) -> std::string {
    try {
      validate(one);
      return "";
    } catch (const std::invalid_argument& refused) {
      return refused.what();
    }
  };
  EXPECT_THAT(error(lens(LensModel::Rational, {0, 0, 0, 0, 0})), HasSubstr("rational has 8 parameters, 5 came"));
  EXPECT_THAT(error(lens(LensModel::DoubleSphere, {0, 1.5})), HasSubstr("alpha"));
  EXPECT_THAT(error(lens(LensModel::Mei, {NAN, 0, 0, 0, 0})), HasSubstr("finite"));
  EXPECT_THAT(error(lens(LensModel::OCam, {1, 0, 0, 300})), HasSubstr("a0"));
  EXPECT_THROW(lens_model_named("fisheye8"), std::invalid_argument);
  for (const std::string& name : lens_model_names()) lens_model_named(name);
}

TEST(LensFit, RealLensesAreRefittedWithTheErrorStated) {
  for (const auto& [one, limit] :
       {std::pair{kKitti360, 1.1}, {kWoodScape, 1.1}, {kDoubleSphere, 0.1}, {kOCam, 1.1}, {kRational, 2.5}}) {
    const LensFit fit = fit_lens(one);
    EXPECT_LT(fit.worst, limit) << static_cast<int>(one.model) << " mean " << fit.mean;
    EXPECT_LE(fit.mean, fit.worst);
    // The error that is stated is the camera's own.
    const CameraProjector projector(fit.camera);
    double worst = 0;
    for (int i = 1; i < 20; ++i) {
      const Pixel pixel{one.width * i / 20.0, one.height * i / 20.0};
      const auto ray = unproject(one, pixel);
      const auto seen = ray ? projector.project_sensor(*ray) : std::nullopt;
      if (seen) worst = std::max(worst, std::hypot(seen->u - pixel.u, seen->v - pixel.v));
    }
    EXPECT_GT(worst, 0);
    EXPECT_LE(worst, fit.worst * 1.1 + 1e-6);
  }
}

TEST(LensFit, APinholeCameraIsFoundAsItIs) {
  const LensFit fit = fit_lens(lens(LensModel::Rational, {-0.2, 0.05, 0.002, -0.001, 0.01, 0, 0, 0}, 300, 310));
  EXPECT_EQ(fit.camera.kind, CameraKind::Pinhole);
  EXPECT_LT(fit.worst, 1e-6);
  EXPECT_NEAR(fit.camera.fx, 300, 1e-6);
  EXPECT_NEAR(fit.camera.fy, 310, 1e-6);
  const std::array<double, 5> expected = {-0.2, 0.05, 0.002, -0.001, 0.01};
  for (size_t i = 0; i < 5; ++i) EXPECT_NEAR(fit.camera.distortion[i], expected[i], 1e-8) << i;
}

TEST(LensFit, AFisheyeIsFoundAsItIs) {
  // A polynomial of odd powers up to the third is a fisheye with k1 alone.
  const LensFit fit = fit_lens(lens(LensModel::WoodScape, {300, 0, -9, 0}, 1, 1));
  EXPECT_LT(fit.worst, 1e-4);
  EXPECT_NEAR(fit.camera.fx, 300, 1e-3);
  EXPECT_NEAR(fit.camera.distortion[0], -0.03, 1e-5);
  EXPECT_NEAR(fit.camera.cx, 319.5, 1e-4);
}

}  // namespace
}  // namespace bevgrad
