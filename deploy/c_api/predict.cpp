#include "deploy/c_api/bevgrad_predict.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <optional>
#include <stdexcept>
#include <thread>

#include "base/c_boundary.h"
#include "base/error.h"
#include "configs/load.h"
#include "data/ego_mask.h"
#include "tensor/ops.h"
#include "tensor/thread_count.h"
#include "train/frame_stream.h"
#include "train/options/from_config.h"

struct bevgrad_predictor {
  bevgrad_predictor(const bevgrad::configs::Document& document, const std::string& ckpt, int thread_count)
      : proto(document.proto),
        log("", true),
        trained(document, {.ckpt = ckpt}, log, bevgrad::standard_parts()),
        threads(thread_count) {
    stream.emplace(trained);
  }

  bevgrad::config::Config proto;
  bevgrad::RunLog log;
  bevgrad::TrainedNetwork trained;
  std::optional<bevgrad::FrameStream> stream;
  int threads;
  bevgrad::NamedTensors outputs;
  std::atomic<bool> busy = false;  // a thread is in it
};

namespace bevgrad {
namespace {

constexpr size_t kMostSets = 10'000, kMostPoints = 100'000'000;

/// A predictor is one thread's while this lives.
class Turn {
 public:
  explicit Turn(bevgrad_predictor& predictor) : predictor_(predictor), has_(!predictor.busy.exchange(true)) {}
  ~Turn() {
    if (has_) predictor_.busy = false;
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  explicit operator bool() const { return has_; }

 private:
  bevgrad_predictor& predictor_;
  bool has_;
};

Pose pose_of(const double* values) {
  Pose pose;
  std::copy(values, values + 16, pose.m.begin());
  return pose;
}

std::unique_ptr<bevgrad_predictor> open(const char* config, const char* const* sets, size_t set_count, const char* ckpt,
                                        int threads) {
  check(config != nullptr && ckpt != nullptr, "bevgrad_predict_open: the config or the checkpoint is NULL");
  check(threads >= 0 && threads <= 4096, "bevgrad_predict_open: {} threads, expected 0 to 4096", threads);
  check(set_count <= kMostSets, "bevgrad_predict_open: {} sets, expected up to {}", set_count, kMostSets);
  configs::LoadOptions options{.config = config};
  for (size_t i = 0; i < set_count; ++i) {
    check(sets != nullptr && sets[i] != nullptr, "bevgrad_predict_open: set {} is NULL", i);
    options.sets.emplace_back(sets[i]);
  }
  const configs::Document document = configs::load(options);
  judge_parts(document, standard_parts());
  if (threads == 0) threads = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  const ThreadCount thread_count(threads);
  return std::make_unique<bevgrad_predictor>(document, ckpt, threads);
}

const bevgrad_picture& picture_of(const bevgrad_frame& frame, const std::string& camera) {
  const bevgrad_picture* found = nullptr;
  for (size_t i = 0; i < frame.picture_count; ++i) {
    const bevgrad_picture& picture = frame.pictures[i];
    check(picture.camera != nullptr && picture.pixels != nullptr,
          "picture {}: its camera's name or its pixels are NULL", i);
    if (picture.camera != camera) continue;
    check(found == nullptr, "camera {}: two pictures came", camera);
    found = &picture;
  }
  check(found != nullptr, "camera {}: no picture came", camera);
  return *found;
}

Camera calibration_of(const config::CameraGroup& group, const config::Camera& settings,
                      const bevgrad_picture& picture) {
  Camera camera = resized(configs::rig_camera(group, settings), group.width(), group.height());
  camera.fx = picture.fx;
  camera.fy = picture.fy;
  camera.cx = picture.cx;
  camera.cy = picture.cy;
  check(camera.kind != CameraKind::Rational, "camera {}: a rational lens has 8 coefficients, a picture carries 5",
        settings.name());
  std::copy_n(picture.distortion, 5, camera.distortion.begin());
  camera.sensor2ego = pose_of(picture.sensor2ego);
  try {
    validate(camera);
  } catch (const std::invalid_argument& error) {
    fail("camera {}: {}", settings.name(), error.what());
  }
  return camera;
}

NetworkInput input_of(const config::Config& proto, const bevgrad_frame& frame) {
  check(frame.pictures != nullptr || frame.picture_count == 0, "{} pictures, but they are NULL", frame.picture_count);
  int cameras = 0;
  for (const config::CameraGroup& group : proto.sensors().groups()) cameras += group.cameras_size();
  check(frame.picture_count <= static_cast<size_t>(cameras), "{} pictures, the config has {} cameras",
        frame.picture_count, cameras);
  NetworkInput input;
  input.cameras.emplace_back();
  for (const config::CameraGroup& group : proto.sensors().groups()) {
    const int64_t height = group.height(), width = group.width();
    const Tensor images = empty({group.cameras_size(), 3, height, width}, {DType::UInt8, MemoryFormat::ChannelsLast});
    for (int c = 0; c < group.cameras_size(); ++c) {
      const config::Camera& settings = group.cameras(c);
      const bevgrad_picture& picture = picture_of(frame, settings.name());
      check(picture.height == height && picture.width == width, "camera {}: a picture of {} x {}, expected {} x {}",
            settings.name(), picture.height, picture.width, height, width);
      const Tensor image = ops::select(images, 0, c);
      std::copy_n(picture.pixels, height * width * 3, image.data<uint8_t>());
      input.cameras[0].push_back(calibration_of(group, settings, picture));
      fill_ego_mask(input.cameras[0].back().ego_mask, image);
    }
    input.images.push_back(images);
  }
  if (proto.tasks().enable_lidar()) {
    check(frame.points != nullptr || frame.point_count == 0, "{} points, but they are NULL", frame.point_count);
    check(frame.point_count <= kMostPoints, "{} points, expected up to {}", frame.point_count, kMostPoints);
    const Tensor points = empty({static_cast<int64_t>(frame.point_count), 4}, {.dtype = DType::Float32});
    std::copy_n(frame.points, frame.point_count * 4, points.data<float>());
    input.points.push_back(points);
  }
  return input;
}

FrameMoment moment_of(const bevgrad_frame& frame) {
  FrameMoment moment{frame.sequence, frame.timestamp, pose_of(frame.ego_pose)};
  check(std::isfinite(moment.timestamp), "timestamp: {}, expected seconds", moment.timestamp);
  check(moment.ego_pose.is_rigid(), "ego_pose: it is no rigid transform");
  return moment;
}

void run(bevgrad_predictor& predictor, const bevgrad_frame& frame) {
  const Turn turn(predictor);
  check(static_cast<bool>(turn), "another thread's frame is being computed");
  predictor.outputs.clear();
  const ThreadCount thread_count(predictor.threads);
  const FrameMoment moment = predictor.trained.history() ? moment_of(frame) : FrameMoment{};
  const PlayedFrame played = predictor.stream->play(input_of(predictor.proto, frame), moment);
  for (const auto& [name, value] : outputs_of(played.maps, predictor.trained.tasks()))
    predictor.outputs.emplace_back(name, ops::contiguous(ops::to(value, DType::Float32), MemoryFormat::Contiguous));
}

}  // namespace
}  // namespace bevgrad

using namespace bevgrad;
using c_boundary::guarded;

bevgrad_predictor* bevgrad_predict_open(const char* config, const char* const* sets, size_t set_count, const char* ckpt,
                                        int threads, char** error) {
  std::unique_ptr<bevgrad_predictor> predictor;
  guarded(error, [&] { predictor = open(config, sets, set_count, ckpt, threads); });
  return predictor.release();
}

void bevgrad_predict_close(bevgrad_predictor* predictor) {
  delete predictor;
}

void bevgrad_predict_free(char* text) {
  ::free(text);
}

int bevgrad_predict_camera(const bevgrad_predictor* predictor, size_t index, bevgrad_camera* camera) {
  if (predictor == nullptr || camera == nullptr) return -1;
  for (const config::CameraGroup& group : predictor->proto.sensors().groups()) {
    const auto count = static_cast<size_t>(group.cameras_size());
    if (index < count) {
      *camera = {group.cameras(static_cast<int>(index)).name().c_str(), group.name().c_str(), group.height(),
                 group.width()};
      return 0;
    }
    index -= count;
  }
  return -1;
}

int bevgrad_predict_takes_points(const bevgrad_predictor* predictor) {
  return predictor != nullptr && predictor->proto.tasks().enable_lidar();
}

int bevgrad_predict_takes_moment(const bevgrad_predictor* predictor) {
  return predictor != nullptr && predictor->trained.history().has_value();
}

int bevgrad_predict_frame(bevgrad_predictor* predictor, const bevgrad_frame* frame, char** error) {
  return guarded(error,
                 [&] {
                   check(predictor != nullptr && frame != nullptr, "bevgrad_predict_frame: NULL");
                   run(*predictor, *frame);
                 })
             ? 0
             : -1;
}

int bevgrad_predict_output(const bevgrad_predictor* predictor, size_t index, bevgrad_output* output) {
  if (predictor == nullptr || output == nullptr || index >= predictor->outputs.size()) return -1;
  const auto& [name, value] = predictor->outputs[index];
  *output = {name.c_str(), value.sizes().size(), value.sizes().data(), value.data<const float>()};
  return 0;
}

int bevgrad_predict_forget(bevgrad_predictor* predictor) {
  if (predictor == nullptr) return -1;
  const Turn turn(*predictor);
  if (!turn) return -1;
  return guarded(nullptr, [&] { predictor->stream.emplace(predictor->trained); }) ? 0 : -1;
}
