#include "train/perturbation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "base/error.h"
#include "base/files.h"
#include "data/image_codec.h"
#include "evaluation/table.h"
#include "train/network_state.h"
#include "train/parts.h"
#include "train/tiny_run.h"
#include "train/validator.h"

namespace bevgrad {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Kind = Perturbation::Kind;

constexpr double kDegrees = 180 / std::numbers::pi;

/// Two cameras of a group, one sample.
Batch batch_of(double timestamp = 0, const Pose& pose = {}, bool starts = true) {
  Batch batch;
  Camera camera = camera_with_fov(CameraKind::Pinhole, 32, 24, 1.5);
  camera.sensor2ego = camera_mount({1.5, 0.5, 1.4}, 0.3, 0.1, 0);
  batch.cameras = {{camera, camera}};
  batch.images = {full({2, 3, 24, 32}, 7, {.dtype = DType::UInt8, .format = MemoryFormat::ChannelsLast})};
  batch.points = {from_values({1, 2, 3, 0.5f}, {1, 4})};
  batch.timestamps = {timestamp};
  batch.ego_poses = {pose};
  batch.starts = {starts};
  return batch;
}

Vec3 looks_along(const Camera& camera) {
  return camera.sensor2ego.rotate({0, 0, 1});
}

TEST(Perturbation, CamerasAreTurnedAboutTheirPlaceOrMoved) {
  const Camera before = batch_of().cameras[0][0];
  const Vec3 was = looks_along(before);
  const auto after = [](Kind kind, double amount) {
    Batch batch = batch_of();
    Perturber({kind, amount, 0, ""}).apply(batch);
    EXPECT_EQ(batch.cameras[0][0], batch.cameras[0][1]) << "every camera";
    return batch.cameras[0][0];
  };
  const Camera yawed = after(Kind::Yaw, 5), pitched = after(Kind::Pitch, 5), shifted = after(Kind::Shift, 0.2);
  const Vec3 left = looks_along(yawed), down = looks_along(pitched);
  EXPECT_NEAR((std::atan2(left.y, left.x) - std::atan2(was.y, was.x)) * kDegrees, 5, 1e-9);
  EXPECT_NEAR(left.z, was.z, 1e-12);
  EXPECT_EQ(yawed.sensor2ego.translation(), before.sensor2ego.translation());
  EXPECT_NEAR((std::asin(was.z) - std::asin(down.z)) * kDegrees, 5, 1e-9);
  EXPECT_EQ(pitched.sensor2ego.translation(), before.sensor2ego.translation());
  EXPECT_NEAR(shifted.sensor2ego.translation().y, 0.7, 1e-12);
  EXPECT_NEAR(shifted.sensor2ego.translation().x, 1.5, 1e-12);
}

TEST(Perturbation, ADroppedCameraIsBlackAndSeesNothing) {
  Batch batch = batch_of();
  Perturber({Kind::NoCamera, 1, 1, ""}).apply(batch);
  const auto pixels = batch.images[0].to_vector();
  EXPECT_EQ(pixels.front(), 7);
  EXPECT_EQ(pixels.back(), 0);
  EXPECT_TRUE(CameraProjector(batch.cameras[0][0]).project({10, 3, 1}).has_value());
  EXPECT_FALSE(CameraProjector(batch.cameras[0][1]).project({10, 3, 1}).has_value());
  Perturber({Kind::NoLidar, 1, 0, ""}).apply(batch);
  EXPECT_EQ(batch.points[0].size(0), 0);
}

TEST(Perturbation, LatePosesLieBetweenThoseThatWerePlayed) {
  Perturber late({Kind::Delay, 0.15, 0, ""});
  std::vector<double> x;
  for (int i = 0; i < 5; ++i) {
    Batch batch = batch_of(10 + 0.1 * i, Pose::from_yaw(i, 0, 0, 0), i == 0 || i == 4);
    late.apply(batch);
    x.push_back(std::round(batch.ego_poses[0].translation().x * 1e6) / 1e6);
  }
  EXPECT_THAT(x, ElementsAre(0, 0, 0.5, 1.5, 4)) << "a new stream begins with the last one";
}

TEST(Perturbation, TheReportHasATableOfWhatTheFiguresComeTo) {
  const configs::Document document = TinyData::get().document(
      "mini_step1",
      {"eval.eval_with_visualize=true", "eval.perturb={yaw: [0, 20] drop_cameras: true drop_lidar: true}"});
  EXPECT_EQ(perturbations(document.proto).size(), 2 + 4 + 1u);
  const std::string folder = TinyData::get().path("perturbed");
  const std::unique_ptr<ProcessGroup> group = make_single_process_group();
  RunLog log("", true);
  Generator generator(1);
  const TaskList tasks(standard_tasks(), document);
  Network network(configs::network_options(document), generator, network_parts(document, standard_parts()));
  Validator(document, {.output_dir = folder}, log, *group, tasks).run(network);
  const std::string csv = read_file(folder + "/perturb.csv");
  EXPECT_THAT(csv, HasSubstr("input,amount,unit,figure,plain,wrong,change"));
  EXPECT_THAT(csv, HasSubstr("no lidar,1"));
  EXPECT_THAT(csv, HasSubstr("yaw,20"));
  bool moved = false, kept = true;
  size_t at = 0;
  while ((at = csv.find("yaw,", at)) != std::string::npos) {
    const std::string line = csv.substr(at, csv.find('\n', at) - at);
    const double change = std::atof(line.substr(line.rfind(',') + 1).c_str());
    if (line.starts_with("yaw,0")) kept = kept && change == 0;
    if (line.starts_with("yaw,20")) moved = moved || change != 0;
    ++at;
  }
  EXPECT_TRUE(kept) << "a turn by nothing changes nothing";
  EXPECT_TRUE(moved);
  EXPECT_THAT(read_file(folder + "/report.html"), HasSubstr("With inputs that are wrong"));
}

TEST(Perturbation, ImpossibleAmountsAreNamed) {
  EXPECT_THROW(TinyData::get().document("mini_step1", {"eval.perturb={delay: [-1]}"}), UsageError);
  EXPECT_THROW(TinyData::get().document("mini_step1", {"eval.perturb={yaw: [nan]}"}), UsageError);
}

}  // namespace
}  // namespace bevgrad
