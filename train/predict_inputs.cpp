#include "train/predict_inputs.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "data/ego_mask.h"
#include "tensor/ops.h"
#include "train/options/from_config.h"

namespace bevgrad {
namespace {

/// Throws UsageError: the file is what the user named.
template <class... Args>
void require(bool condition, fmt::format_string<Args...> format, Args&&... args) {
  if (!condition) throw UsageError(fmt::format(format, std::forward<Args>(args)...));
}

/// A value a channel of a repeated field that holds one or three.
double channel_value(const google::protobuf::RepeatedField<double>& values, int channel) {
  return values.Get(values.size() == 1 ? 0 : channel);
}

Pose pose_of(const double* values) {
  Pose pose;
  std::copy(values, values + 16, pose.m.begin());
  return pose;
}

}  // namespace

PredictInputs::PredictInputs(const std::string& path, const config::Config& proto) : reader_(path), proto_(proto) {
  const config::Sensors& sensors = proto.sensors();
  for (const config::CameraGroup& group : sensors.groups()) cameras_ += group.cameras_size();
  if (cameras_ == 0)
    while (reader_.contains(fmt::format("points/{}", size_))) ++size_;
  else
    read_camera_sizes();
  require(size_ > 0, "{}: dataset \"points/0\" is missing", path);
  by_name_ = reader_.is_group("images");
  for (const config::CameraGroup& group : sensors.groups()) {
    if (!by_name_) check_images("images", {size_, cameras_, 3, group.height(), group.width()});
    for (const config::Camera& camera : group.cameras()) {
      if (by_name_) check_images("images/" + escape_link(camera.name()), {size_, 3, group.height(), group.width()});
    }
  }
  if (proto.tasks().enable_static_temporal()) {
    check_sizes("ego_pose", {size_, 4, 4});
    check_sizes("timestamp", {size_});
    check_sizes("sequence", {size_});
  }
  for (int64_t i = 0; proto.tasks().enable_lidar() && i < size_; ++i) {
    const std::string name = fmt::format("points/{}", i);
    require(reader_.contains(name), "{}: dataset \"{}\" is missing", path, name);
    const Shape points = reader_.sizes(name);
    require(points.size() == 2 && points[1] == 4, "{}: {} is {}, expected [P,4]", path, name, to_string(points));
  }
}

void PredictInputs::read_camera_sizes() {
  const std::string& path = reader_.path();
  require(reader_.contains("intrinsics"), "{}: dataset \"intrinsics\" is missing", path);
  const Shape sizes = reader_.sizes("intrinsics");
  require(!sizes.empty() && sizes[0] > 0, "{}: intrinsics is {}, expected [N,{},3,3]", path, to_string(sizes),
          cameras_);
  size_ = sizes[0];
  check_sizes("intrinsics", {size_, cameras_, 3, 3});
  const bool has_eight = reader_.contains("distortion") && reader_.sizes("distortion") == Shape{size_, cameras_, 8};
  check_sizes("distortion", {size_, cameras_, has_eight ? 8 : 5});
  check_sizes("sensor2ego", {size_, cameras_, 4, 4});
}

void PredictInputs::check_sizes(const std::string& dataset, const Shape& expected) const {
  require(reader_.contains(dataset) && !reader_.is_group(dataset), "{}: dataset \"{}\" is missing", reader_.path(),
          dataset);
  const Shape sizes = reader_.sizes(dataset);
  require(sizes == expected, "{}: {} is {}, expected {}", reader_.path(), dataset, to_string(sizes),
          to_string(expected));
}

void PredictInputs::check_images(const std::string& dataset, const Shape& expected) const {
  check_sizes(dataset, expected);
  const StoredDType dtype = reader_.dtype(dataset);
  const std::optional<DType> engine = engine_dtype(dtype);
  require(dtype == StoredDType::UInt8 || (engine && is_floating_point(*engine)),
          "{}: {} is {}, expected uint8 (0 to 255) or a floating-point dtype (normalised)", reader_.path(), dataset,
          name(dtype));
}

Tensor PredictInputs::checked(const std::string& dataset, int64_t sample, const Tensor& stored) const {
  if (stored.dtype() == DType::UInt8) return stored;
  const config::Sensors& sensors = proto_.sensors();
  const Tensor images = ops::contiguous(ops::to(stored, DType::Float32));  // [cams,3,H,W]
  const int64_t plane = images.size(2) * images.size(3);
  const float* values = images.data<const float>();
  for (int64_t i = 0; i < images.size(0) * 3; ++i, values += plane) {
    const double mean = channel_value(sensors.mean(), static_cast<int>(i % 3)),
                 std = channel_value(sensors.std(), static_cast<int>(i % 3));
    // Twice what black and white come to, and room for noise: what lies beyond was never normalised.
    const double low = -mean / std, high = (255 - mean) / std, limit = 2 * std::max(-low, high) + 8;
    const auto wrong = std::find_if(values, values + plane, [&](float value) { return !(std::abs(value) <= limit); });
    require(wrong == values + plane,
            "{}: {} of sample {} holds {:g}; floating-point images are normalised ones, which lie between {:.3g} and "
            "{:.3g} here (uint8 images are normalised for you)",
            reader_.path(), dataset, sample, *wrong, low, high);
  }
  return images;
}

std::array<float, 3> PredictInputs::black(DType dtype) const {
  std::array<float, 3> values = {};
  const config::Sensors& sensors = proto_.sensors();
  for (int c = 0; c < 3 && dtype != DType::UInt8; ++c)
    values[static_cast<size_t>(c)] =
        static_cast<float>(-channel_value(sensors.mean(), c) / channel_value(sensors.std(), c));
  return values;
}

std::vector<double> PredictInputs::row(const std::string& dataset, int64_t sample) const {
  std::vector<double> values = reader_.read_rows(dataset, sample, 1).to_vector();
  for (const double value : values)
    require(std::isfinite(value), "{}: {} of sample {} holds a value that is not finite", reader_.path(), dataset,
            sample);
  return values;
}

Camera PredictInputs::camera(const config::CameraGroup& group, const config::Camera& settings, int64_t index,
                             const std::vector<double>& intrinsics, const std::vector<double>& distortion,
                             const std::vector<double>& sensor2ego) const {
  Camera camera = resized(configs::rig_camera(group, settings), group.width(), group.height());
  const double* k = intrinsics.data() + index * 9;
  camera.fx = k[0];
  camera.cx = k[2];
  camera.fy = k[4];
  camera.cy = k[5];
  require(k[1] == 0 && k[3] == 0 && k[6] == 0 && k[7] == 0 && k[8] == 1,
          "{}: intrinsics of camera {} have a skew or a last row other than 0 0 1", reader_.path(), settings.name());
  const auto terms = static_cast<int64_t>(distortion.size()) / cameras_;
  require(terms == 8 || camera.kind != CameraKind::Rational,
          "{}: distortion is [N,cams,5], expected [N,cams,8]: camera {} is rational", reader_.path(), settings.name());
  std::copy_n(distortion.data() + index * terms, 5, camera.distortion.begin());
  if (terms == 8) std::copy_n(distortion.data() + index * terms + 5, 3, camera.denominator.begin());
  camera.sensor2ego = pose_of(sensor2ego.data() + index * 16);
  try {
    validate(camera);
  } catch (const std::invalid_argument& error) {
    throw UsageError(fmt::format("{}: camera {}: {}", reader_.path(), settings.name(), error.what()));
  }
  return camera;
}

NetworkInput PredictInputs::input(int64_t sample) const {
  check(sample >= 0 && sample < size_, "{}: there is no sample {}", reader_.path(), sample);
  std::vector<double> intrinsics, distortion, sensor2ego;
  if (cameras_ > 0) {
    intrinsics = row("intrinsics", sample);
    distortion = row("distortion", sample);
    sensor2ego = row("sensor2ego", sample);
  }
  NetworkInput input;
  input.cameras.emplace_back();
  Tensor all;  // one read for all cameras
  if (!by_name_ && cameras_ > 0)
    all = checked("images", sample, ops::select(reader_.read_rows("images", sample, 1), 0, 0));
  int64_t index = 0;
  for (const config::CameraGroup& group : proto_.sensors().groups()) {
    Tensor images;
    for (int c = 0; c < group.cameras_size(); ++c, ++index) {
      const config::Camera& settings = group.cameras(c);
      const std::string dataset = "images/" + escape_link(settings.name());
      const Tensor image = by_name_ ? ops::select(checked(dataset, sample, reader_.read_rows(dataset, sample, 1)), 0, 0)
                                    : ops::select(all, 0, index);
      if (c == 0)
        images = empty({group.cameras_size(), 3, group.height(), group.width()},
                       {image.dtype(), MemoryFormat::ChannelsLast});
      require(image.dtype() == images.dtype(), "{}: {} is {}, other cameras of its group are {}", reader_.path(),
              dataset, name(image.dtype()), name(images.dtype()));
      const Tensor place = ops::select(images, 0, c);
      ops::copy_(place, image);
      input.cameras[0].push_back(camera(group, settings, index, intrinsics, distortion, sensor2ego));
      fill_ego_mask(input.cameras[0].back().ego_mask, place, black(image.dtype()));
    }
    input.images.push_back(images);
  }
  if (proto_.tasks().enable_lidar())
    input.points.push_back(ops::to(reader_.read(fmt::format("points/{}", sample)), DType::Float32));
  return input;
}

FrameMoment PredictInputs::moment(int64_t sample) const {
  FrameMoment moment;
  if (!proto_.tasks().enable_static_temporal()) return moment;
  const std::vector<double> pose = row("ego_pose", sample);
  moment.ego_pose = pose_of(pose.data());
  require(moment.ego_pose.is_rigid(), "{}: ego_pose of sample {} is no rigid transform", reader_.path(), sample);
  moment.timestamp = row("timestamp", sample)[0];
  moment.sequence = static_cast<int64_t>(row("sequence", sample)[0]);
  return moment;
}

PlayedFrame PredictInputs::play(int64_t sample, FrameStream& stream) const {
  const NetworkInput frame = input(sample);
  const FrameMoment when = moment(sample);
  try {
    return stream.play(frame, when);
  } catch (const Error& error) {
    fail("{}: sample {}: {}", reader_.path(), sample, error.what());
  }
}

}  // namespace bevgrad
