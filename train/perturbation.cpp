#include "train/perturbation.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/error.h"
#include "data/unseeing_camera.h"
#include "tensor/ops.h"

namespace bevgrad {

namespace {

constexpr double kRadiansOfDegree = std::numbers::pi / 180;

const char* unit_of(Perturbation::Kind kind) {
  switch (kind) {
    case Perturbation::Kind::Yaw:
    case Perturbation::Kind::Pitch:
      return "degrees";
    case Perturbation::Kind::Shift:
      return "m";
    case Perturbation::Kind::Delay:
      return "s";
    default:
      return "";
  }
}

/// Turns a mount about its own place, or moves it, in the ego frame.
Pose misplaced(const Pose& sensor2ego, const Perturbation& what) {
  const Vec3 at = sensor2ego.translation();
  if (what.kind == Perturbation::Kind::Shift) return Pose::from_yaw(0, what.amount, 0, 0) * sensor2ego;
  Pose turned = sensor2ego;
  if (what.kind == Perturbation::Kind::Yaw) {
    turned.m[3] = turned.m[7] = turned.m[11] = 0;
    turned = Pose::from_yaw(at.x, at.y, at.z, what.amount * kRadiansOfDegree) * turned;
  } else {
    // The sensor frame is x right, y down, z forward: looking down is a turn about -x.
    const double angle = -what.amount * kRadiansOfDegree;
    Pose nod;
    nod.m = {1, 0, 0, 0, 0, std::cos(angle), -std::sin(angle), 0, 0, std::sin(angle), std::cos(angle), 0, 0, 0, 0, 1};
    turned = sensor2ego * nod;
  }
  return turned;
}

/// Between two poses by the share of the way and the turn on the ground.
Pose between(const Pose& a, const Pose& b, double share) {
  const Pose step = a.inverse() * b;
  const Vec3 way = step.translation();
  return a * Pose::from_yaw(way.x * share, way.y * share, way.z * share, step.yaw() * share);
}

}  // namespace

std::string Perturbation::text() const {
  const std::string unit = unit_of(kind);
  return unit.empty() ? name : fmt::format("{} {} {}", name, amount, unit);
}

std::vector<Perturbation> perturbations(const config::Config& proto) {
  using Kind = Perturbation::Kind;
  const config::Perturb& asked = proto.eval().perturb();
  std::vector<Perturbation> all;
  for (const double degrees : asked.yaw()) all.push_back({Kind::Yaw, degrees, 0, "yaw"});
  for (const double degrees : asked.pitch()) all.push_back({Kind::Pitch, degrees, 0, "pitch"});
  for (const double metres : asked.shift()) all.push_back({Kind::Shift, metres, 0, "shift"});
  for (const double seconds : asked.delay()) all.push_back({Kind::Delay, seconds, 0, "delay"});
  size_t camera = 0;
  for (const config::CameraGroup& group : proto.sensors().groups())
    for (const config::Camera& one : group.cameras()) {
      if (asked.drop_cameras()) all.push_back({Kind::NoCamera, 1, camera, "no " + one.name()});
      ++camera;
    }
  if (asked.drop_lidar() && proto.tasks().enable_lidar()) all.push_back({Kind::NoLidar, 1, 0, "no lidar"});
  return all;
}

void Perturber::apply(Batch& batch) {
  switch (what_.kind) {
    case Perturbation::Kind::NoCamera:
      return drop_camera(batch);
    case Perturbation::Kind::NoLidar:
      for (Tensor& points : batch.points) points = zeros({0, 4});
      return;
    case Perturbation::Kind::Delay:
      return delay(batch);
    default:
      for (std::vector<Camera>& rig : batch.cameras)
        for (Camera& camera : rig) camera.sensor2ego = misplaced(camera.sensor2ego, what_);
  }
}

void Perturber::drop_camera(Batch& batch) const {
  for (std::vector<Camera>& rig : batch.cameras) rig.at(what_.camera) = unseeing_camera(rig.at(what_.camera));
  size_t first = 0;
  for (Tensor& images : batch.images) {
    const auto count = images.size(0) / batch.size();
    const auto index = static_cast<int64_t>(what_.camera) - static_cast<int64_t>(first);
    first += static_cast<size_t>(count);
    if (index < 0 || index >= count) continue;
    for (int64_t n = 0; n < batch.size(); ++n) {
      const Tensor picture = ops::narrow(images, 0, n * count + index, 1);
      ops::copy_(picture, zeros(picture.sizes(), {.dtype = picture.dtype(), .device = picture.device()}));
    }
  }
  batch.on_device = nullptr;  // copied before this
}

void Perturber::delay(Batch& batch) {
  slots_.resize(std::max(slots_.size(), static_cast<size_t>(batch.size())));
  for (size_t n = 0; n < static_cast<size_t>(batch.size()); ++n) {
    std::deque<Moment>& played = slots_[n];
    if (batch.starts[n]) played.clear();
    const double wanted = batch.timestamps[n] - what_.amount;
    played.push_back({batch.timestamps[n], batch.ego_poses[n]});
    while (played.size() > 2 && played[1].timestamp <= wanted) played.pop_front();
    const Moment& before = played.front();
    if (wanted <= before.timestamp) {
      batch.ego_poses[n] = before.pose;
      continue;
    }
    const Moment& after = played.size() > 1 ? played[1] : before;
    const double span = after.timestamp - before.timestamp;
    batch.ego_poses[n] = between(before.pose, after.pose, span > 0 ? (wanted - before.timestamp) / span : 0);
  }
}

Table perturbation_table(const std::map<std::string, double>& plain, const std::vector<PerturbedFigures>& perturbed) {
  Table table{
      .name = "perturb",
      .title = "With inputs that are wrong",
      .columns =
          {{"input", true}, {"amount", true}, {"unit", true}, {"figure", true}, {"plain"}, {"wrong"}, {"change"}},
      .rows = {}};
  for (const PerturbedFigures& one : perturbed)
    for (const auto& [figure, value] : one.figures) {
      const auto before = plain.find(figure);
      if (before == plain.end() || !std::isfinite(value) || !std::isfinite(before->second)) continue;
      table.add_row({one.what.name, one.what.amount, std::string(unit_of(one.what.kind)), figure, before->second, value,
                     value - before->second});
    }
  return table;
}

}  // namespace bevgrad
