#include "data/augmentation/augmentation.h"

#include <cmath>

#include "data/augmentation/lost_sight.h"
#include "data/unseeing_camera.h"
#include "tensor/ops.h"

namespace bevgrad {
namespace {

/// What is drawn: one sequence of numbers each, so that switching one change on leaves the others as they are.
enum Purpose : uint32_t { kWorld = 1, kEgo = 2, kFrame = 3, kCamera = 4 };

Generator generator_for(uint64_t seed, Purpose purpose, uint64_t number, int64_t epoch, uint32_t part = 0) {
  // Two rounds: seed, purpose and part, then what is numbered.
  const auto low = [](uint64_t value) { return static_cast<uint32_t>(value); };
  const auto high = [](uint64_t value) { return static_cast<uint32_t>(value >> 32); };
  const auto key = philox({purpose, part, 0, 0}, {low(seed), high(seed)});
  const auto epochs = static_cast<uint64_t>(epoch);
  const auto words = philox({low(number), high(number), low(epochs), high(epochs)}, {key[0], key[1]});
  return Generator(words[0] | uint64_t{words[1]} << 32);
}

double up_to(Generator& generator, double most) {
  return most * (2 * generator.next_uniform() - 1);
}

double between(Generator& generator, double low, double high) {
  return low + (high - low) * generator.next_uniform();
}

void require(bool holds, const char* field, double value, const char* expected) {
  if (!holds) throw UsageError(fmt::format("augmentation: {} is {}, expected {}", field, value, expected));
}

}  // namespace

void AugmentationOptions::validate() const {
  const std::pair<const char*, double> amounts[] = {{"roll", roll},
                                                    {"brightness", brightness},
                                                    {"tint", tint},
                                                    {"noise", noise},
                                                    {"camera_turn", camera_turn},
                                                    {"camera_offset", camera_offset},
                                                    {"timestamp_jitter", timestamp_jitter},
                                                    {"yaw", yaw},
                                                    {"shift_x", shift_x},
                                                    {"shift_y", shift_y},
                                                    {"shift_step", shift_step}};
  for (const auto& [field, value] : amounts) require(value >= 0 && std::isfinite(value), field, value, "0 or more");
  const std::pair<const char*, double> probabilities[] = {
      {"drop_camera", drop_camera}, {"drop_lidar", drop_lidar}, {"mirror", mirror}};
  for (const auto& [field, value] : probabilities) require(value >= 0 && value <= 1, field, value, "0 to 1");
  const std::pair<const char*, double> shares[] = {
      {"picture_shift", picture_shift}, {"contrast", contrast}, {"saturation", saturation}};
  for (const auto& [field, value] : shares) require(value >= 0 && value < 1, field, value, "0 to below 1");
  require(blur >= 0 && blur <= 3, "blur", blur, "0 to 3 pixels");
  require(jpeg_quality_min >= 0 && jpeg_quality_min <= 95, "jpeg_quality_min", jpeg_quality_min, "0 to 95");
  for (const auto& [field, low, high] : {std::tuple{"zoom", zoom_min, zoom_max}, {"scale", scale_min, scale_max}}) {
    require(low >= 0.1 && low <= 10, field, low, "0.1 to 10");
    require(high >= low && high <= 10, field, high, "at least its minimum, and at most 10");
  }
}

bool AugmentationOptions::changes_inputs() const {
  AugmentationOptions inputs = *this;
  inputs.mirror = inputs.yaw = inputs.shift_x = inputs.shift_y = inputs.shift_step = 0;
  inputs.scale_min = inputs.scale_max = 1;
  return inputs != AugmentationOptions();
}

Augmentation::Augmentation(const AugmentationOptions& options, const LabelSchema& labels, uint64_t seed)
    : options_(options), labels_(labels), seed_(seed) {
  options_.validate();
}

EgoChange Augmentation::draw_ego_change(const Sample& sample, int64_t entry, int64_t epoch) const {
  Generator world = generator_for(seed_, kWorld, static_cast<uint64_t>(sample.sequence), epoch);
  Generator frame = generator_for(seed_, kEgo, static_cast<uint64_t>(entry), epoch);
  EgoChange change;
  change.mirror = world.next_uniform() < options_.mirror;
  change.scale = between(world, options_.scale_min, options_.scale_max);
  change.yaw = up_to(frame, options_.yaw);
  change.shift = {up_to(frame, options_.shift_x), up_to(frame, options_.shift_y)};
  if (const double step = options_.shift_step; step > 0)
    change.shift = {std::trunc(change.shift.x / step) * step, std::trunc(change.shift.y / step) * step};
  return change;
}

Camera Augmentation::change_camera(CameraImage& camera, const EgoChange& ego, Generator generator) const {
  CameraChange lie;
  lie.zoom = between(generator, options_.zoom_min, options_.zoom_max);
  lie.shift_u = up_to(generator, options_.picture_shift);
  lie.shift_v = up_to(generator, options_.picture_shift);
  lie.roll = up_to(generator, options_.roll);
  PictureChange look;
  look.contrast = 1 + up_to(generator, options_.contrast);
  look.saturation = 1 + up_to(generator, options_.saturation);
  const double brightness = up_to(generator, options_.brightness);
  for (double& offset : look.offset) offset = brightness + up_to(generator, options_.tint);
  look.blur = between(generator, 0, options_.blur);
  look.noise = between(generator, 0, options_.noise);
  if (options_.jpeg_quality_min > 0)
    look.jpeg_quality = options_.jpeg_quality_min +
                        static_cast<int>(generator.next_below(static_cast<uint64_t>(96 - options_.jpeg_quality_min)));
  look.dropped = generator.next_uniform() < options_.drop_camera;
  const Vec3 offset = {up_to(generator, options_.camera_offset), up_to(generator, options_.camera_offset),
                       up_to(generator, options_.camera_offset)};
  const double turn[3] = {up_to(generator, options_.camera_turn), up_to(generator, options_.camera_turn),
                          up_to(generator, options_.camera_turn)};
  // Blur below a fifth of a pixel shows nothing.
  if (look.blur < 0.2) look.blur = 0;
  bevgrad::change_camera(camera, lie, ego);
  if (look.dropped) camera.camera = unseeing_camera(camera.camera);
  const Camera real = camera.camera;
  camera.camera.sensor2ego = camera.camera.sensor2ego * Pose::from_angles(offset, turn[0], turn[1], turn[2]);
  if (camera.image.defined()) change_picture(camera, look, generator);
  return real;
}

EgoChange Augmentation::apply(Sample& sample, int64_t entry, int64_t epoch) const {
  const EgoChange ego = draw_ego_change(sample, entry, epoch);
  change_ego(sample, ego, labels_);
  std::vector<CameraBeforeAndAfter> cameras;
  for (size_t i = 0; i < sample.cameras.size(); ++i) {
    CameraImage before{sample.cameras[i].name, sample.cameras[i].camera, {}};
    bevgrad::change_camera(before, {}, ego);
    cameras.push_back({before.camera, change_camera(sample.cameras[i], ego,
                                                    generator_for(seed_, kCamera, static_cast<uint64_t>(entry), epoch,
                                                                  static_cast<uint32_t>(i)))});
  }
  Generator frame = generator_for(seed_, kFrame, static_cast<uint64_t>(entry), epoch);
  sample.timestamp += up_to(frame, options_.timestamp_jitter);
  const bool lidar_failed = frame.next_uniform() < options_.drop_lidar && sample.points.defined();
  lose_sight(cameras, lidar_failed, sample.points, labels_, sample.labels);
  if (lidar_failed) sample.points = zeros({0, 4});
  return ego;
}

}  // namespace bevgrad
