// The weights that come with the sources.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/files.h"
#include "configs/load.h"
#include "formats/hdf5/tensor_file.h"
#include "support/paths.h"
#include "support/temporary_folder.h"
#include "tensor/ops.h"
#include "tensor/random.h"
#include "train/network_state.h"
#include "train/options/from_config.h"
#include "train/predictor.h"

namespace bevgrad {
namespace {

constexpr int64_t kFrames = 2;

/// Frames of noise as the config's cameras would send them, 0.7 s apart, and some points.
void write_noise(const configs::Document& document, const std::string& path) {
  Generator random(5);
  Hdf5Writer writer(path);
  std::vector<Camera> rig;
  for (const config::CameraGroup& group : document.proto.sensors().groups())
    for (const config::Camera& camera : group.cameras()) {
      rig.push_back(configs::rig_camera(group, camera));
      writer.write("images/" + camera.name(),
                   ops::to(random.uniform({kFrames, 3, group.height(), group.width()}, 0, 255), DType::UInt8));
    }
  const auto cameras = static_cast<int64_t>(rig.size());
  const Tensor intrinsics = zeros({kFrames, cameras, 3, 3}), sensor2ego = zeros({kFrames, cameras, 4, 4}),
               distortion = zeros({kFrames, cameras, 5});
  for (int64_t i = 0; i < kFrames * cameras; ++i) {
    const Camera& camera = rig[static_cast<size_t>(i % cameras)];
    float* k = intrinsics.data<float>() + 9 * i;
    k[0] = static_cast<float>(camera.fx), k[4] = static_cast<float>(camera.fy), k[8] = 1;
    k[2] = static_cast<float>(camera.cx), k[5] = static_cast<float>(camera.cy);
    std::copy(camera.distortion.begin(), camera.distortion.end(), distortion.data<float>() + 5 * i);
    std::copy(camera.sensor2ego.m.begin(), camera.sensor2ego.m.end(), sensor2ego.data<float>() + 16 * i);
  }
  writer.write("intrinsics", intrinsics);
  writer.write("distortion", distortion);
  writer.write("sensor2ego", sensor2ego);
  const Tensor poses = zeros({kFrames, 4, 4}, {.dtype = DType::Float64});
  for (int64_t i = 0; i < kFrames; ++i) {
    writer.write("points/" + std::to_string(i), random.uniform({500, 4}, 0, 1));
    const Pose pose = Pose::from_yaw(3.0 * static_cast<double>(i), 0, 0, 0.01);
    std::copy(pose.m.begin(), pose.m.end(), poses.data<double>() + 16 * i);
  }
  writer.write("ego_pose", poses);
  writer.write("timestamp", from_values({0.0, 0.7}, {kFrames}, {.dtype = DType::Float64}));
  writer.write("sequence", from_values({7, 7}, {kFrames}, {.dtype = DType::Int64}));
  writer.commit();
}

class Weights : public ::testing::TestWithParam<std::pair<const char*, const char*>> {};

TEST_P(Weights, LoadWholeAndGiveFiniteMaps) {
  const auto [config, file] = GetParam();
  const configs::Document document = configs::load({.config = config});
  const testing::TemporaryFolder folder;
  write_noise(document, folder / "inputs.h5");
  const std::string weights = testing::source_dir() + "/weights/" + file;
  RunLog log(folder / "log.txt", true);
  PredictOptions options;
  options.ckpt = weights;
  options.inputs = folder / "inputs.h5";
  options.outputs = folder / "outputs.h5";
  predict(document, options, log);
  EXPECT_THAT(read_file(folder / "log.txt"), ::testing::HasSubstr("0 missing, 0 unexpected, 0 of another shape"));
  const Hdf5Reader outputs(folder / "outputs.h5");
  for (const char* map : {"lane_logits", "road_logits"}) {
    double lowest = 0, highest = 0;
    for (const double value : outputs.read(map).to_vector()) {
      ASSERT_TRUE(std::isfinite(value)) << map;
      lowest = std::min(lowest, value);
      highest = std::max(highest, value);
    }
    // Untrained maps are about -4.6 everywhere.
    EXPECT_LT(lowest, highest - 1) << map;
  }
}

INSTANTIATE_TEST_SUITE_P(OfTheDemo, Weights,
                         ::testing::Values(std::pair("demo_step1", "demo_step1.h5"),
                                           std::pair("demo_step2_static", "demo_step2.h5")),
                         [](const auto& info) { return std::string(info.param.first); });

}  // namespace
}  // namespace bevgrad
