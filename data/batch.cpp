#include "data/batch.h"

#include <algorithm>
#include <cstring>

namespace bevgrad {

namespace {

std::string of_sample(const Sample& sample) {
  return fmt::format("collate: sample '{}'", sample.key);
}

Tensor empty_bytes(const Shape& sizes, MemoryFormat format, bool pinned) {
  const TensorOptions options{.dtype = DType::UInt8, .format = format};
  return pinned ? empty_pinned(sizes, options) : empty(sizes, options);
}

/// uint8 [N*n_g,3,H,W], channels-last: the pictures lie one after another as they are.
Tensor stack_images(const std::vector<Sample>& samples, const CameraGroupOptions& group, size_t first_camera,
                    bool pinned) {
  const auto cameras = static_cast<int64_t>(group.cameras.size()), count = static_cast<int64_t>(samples.size());
  Tensor stacked = empty_bytes({count * cameras, 3, group.height, group.width}, MemoryFormat::ChannelsLast, pinned);
  const int64_t picture = 3 * group.height * group.width;
  uint8_t* out = stacked.data<uint8_t>();
  for (const Sample& sample : samples)
    for (size_t i = 0; i < group.cameras.size(); ++i, out += picture) {
      const CameraImage& camera = sample.cameras[first_camera + i];
      check(camera.name == group.cameras[i], "{}: camera {} is '{}', group '{}' expects '{}'", of_sample(sample),
            first_camera + i, camera.name, group.name, group.cameras[i]);
      check(camera.image.defined() && camera.image.dtype() == DType::UInt8 &&
                camera.image.sizes() == Shape{3, group.height, group.width} && camera.image.stride(0) == 1 &&
                camera.image.stride(1) == 3 * group.width && camera.image.stride(2) == 3,
            "{}: camera '{}' is {}, group '{}' expects uint8 [3,{},{}] in the order H,W,C", of_sample(sample),
            camera.name, camera.image.defined() ? describe(camera.image) : "missing", group.name, group.height,
            group.width);
      std::memcpy(out, camera.image.data<const uint8_t>(), static_cast<size_t>(picture));
    }
  return stacked;
}

/// [N] of [C,H,W] -> [N,C,H,W]; undefined where any of them is.
Tensor stack_rasters(const std::vector<Sample>& samples, Tensor Labels::*raster, bool pinned) {
  const Tensor& first = samples.front().labels.*raster;
  if (!std::all_of(samples.begin(), samples.end(), [&](const Sample& s) { return (s.labels.*raster).defined(); }))
    return {};
  Tensor stacked = empty_bytes({static_cast<int64_t>(samples.size()), first.size(0), first.size(1), first.size(2)},
                               MemoryFormat::Contiguous, pinned);
  uint8_t* out = stacked.data<uint8_t>();
  for (const Sample& sample : samples) {
    const Tensor& layers = sample.labels.*raster;
    check(layers.sizes() == first.sizes() && layers.dtype() == DType::UInt8 && layers.is_contiguous(),
          "{}: a label raster is {}, the first sample's {}", of_sample(sample), describe(layers), describe(first));
    std::memcpy(out, layers.data<const uint8_t>(), layers.nbytes());
    out += layers.numel();
  }
  return stacked;
}

/// [N] of [Z,H,W] -> [N,Z,H,W]; `missing` stands in for samples that have none. Undefined where no sample has.
Tensor stack_voxels(const std::vector<Sample>& samples, Tensor Labels::*voxels, uint8_t missing) {
  const auto first = std::ranges::find_if(samples, [&](const Sample& s) { return (s.labels.*voxels).defined(); });
  if (first == samples.end()) return {};
  const Shape sizes = (first->labels.*voxels).sizes();
  Tensor stacked =
      full({static_cast<int64_t>(samples.size()), sizes[0], sizes[1], sizes[2]}, missing, {.dtype = DType::UInt8});
  uint8_t* out = stacked.data<uint8_t>();
  for (const Sample& sample : samples) {
    const Tensor& one = sample.labels.*voxels;
    if (one.defined()) {
      check(one.sizes() == sizes && one.is_contiguous(), "{}: the voxels are {}, those of sample '{}' {}",
            of_sample(sample), describe(one), first->key, to_string(sizes));
      std::memcpy(out, one.data<const uint8_t>(), one.nbytes());
    }
    out += sizes[0] * sizes[1] * sizes[2];
  }
  return stacked;
}

}  // namespace

Batch collate(const std::vector<Sample>& samples, const std::vector<bool>& starts, const DatasetOptions& options) {
  check(!samples.empty() && samples.size() == starts.size(), "collate: {} samples and {} starts", samples.size(),
        starts.size());
  const auto cameras = static_cast<size_t>(options.num_cameras());
  Batch batch;
  batch.starts = starts;
  batch.ego_changes.resize(samples.size());
  for (const Sample& sample : samples) {
    check(sample.cameras.size() == cameras, "{}: {} cameras, expected {}", of_sample(sample), sample.cameras.size(),
          cameras);
    std::vector<Camera> calibrations;
    for (const CameraImage& camera : sample.cameras) calibrations.push_back(camera.camera);
    batch.cameras.push_back(std::move(calibrations));
    if (options.load_points) batch.points.push_back(sample.points);
    batch.ego_poses.push_back(sample.ego_pose);
    batch.true_poses.push_back(sample.true_pose);
    batch.timestamps.push_back(sample.timestamp);
    batch.sequences.push_back(sample.sequence);
    batch.keys.push_back(sample.key);
    batch.datasets.push_back(sample.dataset);
    batch.lane_shapes.push_back(sample.labels.lane_shapes);
    batch.road_shapes.push_back(sample.labels.road_shapes);
    batch.has_instances.push_back(sample.labels.has_instances);
    batch.instances.push_back(sample.labels.instances);
    batch.has_boxes.push_back(sample.labels.has_boxes);
    batch.boxes.push_back(sample.labels.boxes);
  }
  if (options.load_images) {
    size_t first_camera = 0;
    for (const CameraGroupOptions& group : options.groups) {
      batch.images.push_back(stack_images(samples, group, first_camera, options.pinned));
      first_camera += group.cameras.size();
    }
  }
  batch.lane = stack_rasters(samples, &Labels::lane, options.pinned);
  batch.road = stack_rasters(samples, &Labels::road, options.pinned);
  batch.visibility = stack_rasters(samples, &Labels::visibility, options.pinned);
  batch.voxels = stack_voxels(samples, &Labels::voxels, kIgnoreLabel);
  if (batch.voxels.defined()) batch.voxels_seen = stack_voxels(samples, &Labels::voxels_seen, 255);
  return batch;
}

}  // namespace bevgrad
