// An input file of `bevgrad predict`.
#pragma once
#include <algorithm>
#include <string>
#include <vector>

#include "formats/hdf5/tensor_file.h"
#include "tensor/ops.h"
#include "tensor/random.h"
#include "train/tiny_run.h"

namespace bevgrad {

/// Four frames of the tiny network, with a change of sequence. `images`: noise unless given.
inline std::string write_inputs(const configs::Document& document, const std::string& name, bool with_poses = true,
                                const Tensor& images = {}) {
  const std::string path = TinyData::get().path(name);
  Generator generator(3);
  const int64_t frames = 4, cameras = 4;
  Hdf5Writer writer(path);
  writer.write("images", images.defined() ? images : generator.normal({frames, cameras, 3, 32, 48}));
  Tensor intrinsics = zeros({frames, cameras, 3, 3}, {.dtype = DType::Float32});
  Tensor sensor2ego = zeros({frames, cameras, 4, 4}, {.dtype = DType::Float32});
  std::vector<Camera> rig;
  for (const config::CameraGroup& group : document.proto.sensors().groups()) {
    for (const config::Camera& camera : group.cameras()) rig.push_back(configs::rig_camera(group, camera));
  }
  for (int64_t i = 0; i < frames * cameras; ++i) {
    const Camera& camera = rig[static_cast<size_t>(i % cameras)];
    float* k = intrinsics.data<float>() + i * 9;
    k[0] = static_cast<float>(camera.fx), k[4] = static_cast<float>(camera.fy), k[8] = 1;
    k[2] = static_cast<float>(camera.cx), k[5] = static_cast<float>(camera.cy);
    for (int j = 0; j < 16; ++j)
      sensor2ego.data<float>()[i * 16 + j] = static_cast<float>(camera.sensor2ego.m[static_cast<size_t>(j)]);
  }
  writer.write("intrinsics", intrinsics);
  writer.write("sensor2ego", sensor2ego);
  writer.write("distortion", zeros({frames, cameras, 5}));
  for (int64_t i = 0; i < frames; ++i) writer.write("points/" + std::to_string(i), generator.uniform({50, 4}, 0, 4));
  if (with_poses) {
    Tensor poses = zeros({frames, 4, 4}, {.dtype = DType::Float64});
    for (int64_t i = 0; i < frames; ++i) {
      const Pose pose = Pose::from_yaw(0.5 * static_cast<double>(i), 0, 0, 0.01);
      std::copy(pose.m.begin(), pose.m.end(), poses.data<double>() + i * 16);
    }
    writer.write("ego_pose", poses);
    writer.write("timestamp", from_values({0.0, 0.2, 0.4, 0.6}, {frames}, {.dtype = DType::Float64}));
    writer.write("sequence", from_values({7, 7, 7, 8}, {frames}, {.dtype = DType::Int64}));
  }
  writer.commit();
  return path;
}

}  // namespace bevgrad
