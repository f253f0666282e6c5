#include "internal/check/sensors_and_boxes.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "internal/points_in_boxes.h"

namespace bevgrad {

namespace {

constexpr double kPi = std::numbers::pi;
/// Fewer say nothing about all.
constexpr int64_t kFew = 10;
/// Metres that the ground may lie off z = 0: slopes, and origins at the axle's height.
constexpr double kGroundSlack = 0.5;
constexpr float kDark = 1.5f / 255;
constexpr double kMovingBox = 2, kRacing = 80;  // m/s
constexpr double kMoved = 0.3;                  // metres between two frames
/// Points counted in boxes below which their number says nothing, and the share of them that must be found.
constexpr int64_t kFewPoints = 50;
constexpr double kLeastFound = 0.7;

/// The height at which most points near the vehicle lie, where they do; nothing where they are spread.
std::optional<double> ground_height(const Tensor& points) {
  constexpr double kLow = -8, kStep = 0.1;
  constexpr size_t kSteps = 160;
  std::array<int64_t, kSteps> histogram = {};
  int64_t near = 0;
  const float* p = points.data<const float>();
  for (int64_t i = 0; i < points.size(0); ++i, p += 4) {
    const double range = std::hypot(p[0], p[1]), step = (p[2] - kLow) / kStep;
    if (range < 2 || range > 25 || step < 0 || step >= static_cast<double>(kSteps)) continue;
    ++histogram[static_cast<size_t>(step)];
    ++near;
  }
  if (near < 300) return std::nullopt;
  size_t best = 1;
  int64_t most = 0;
  for (size_t i = 1; i + 1 < kSteps; ++i) {
    const int64_t here = histogram[i - 1] + histogram[i] + histogram[i + 1];
    if (here > most) {
      most = here;
      best = i;
    }
  }
  if (most * 5 < near) return std::nullopt;
  double sum = 0;
  for (size_t i = best - 1; i <= best + 1; ++i)
    sum += (static_cast<double>(i) + 0.5) * static_cast<double>(histogram[i]);
  return kLow + sum / static_cast<double>(most) * kStep;
}

void keep_first(std::string& kept, const std::string& where) {
  if (kept.empty()) kept = where;
}

}  // namespace

void CloudCheck::look_at(const Tensor& points, const std::string& where, Findings& findings) {
  if (!points.defined()) return;
  const int64_t count = points.size(0);
  ++clouds_;
  if (count == 0) {
    findings.add(Severity::Warning, "points: none", where, "points: there are none");
    return;
  }
  const float* p = points.data<const float>();
  int64_t at_origin = 0;
  float brightest = 0;
  for (int64_t i = 0; i < count; ++i) {
    at_origin += p[i * 4] == 0 && p[i * 4 + 1] == 0 && p[i * 4 + 2] == 0;
    brightest = std::max(brightest, p[i * 4 + 3]);
  }
  if (2 * at_origin > count)
    findings.add(Severity::Error, "points: at the origin", where,
                 fmt::format("points: {} of {} lie at the origin", at_origin, count));
  brightest_ = std::max(brightest_, brightest);
  if (brightest < kDark) {
    ++dark_;
    keep_first(dark_at_, where);
  }
  const std::optional<double> ground = ground_height(points);
  with_ground_ += ground.has_value();
  if (ground && std::abs(*ground) > kGroundSlack) {
    if (off_ground_++ == 0) height_ = *ground;
    keep_first(off_ground_at_, where);
  }
}

void CloudCheck::finish(Findings& findings) const {
  if (2 * off_ground_ > with_ground_ && off_ground_ > 0)
    findings.add(
        Severity::Warning, "points: ground", off_ground_at_,
        fmt::format("points: most near the vehicle lie at z = {:.1f} m, the ground of the ego frame is at 0 (in "
                    "{} of {} clouds): points in the LiDAR's own frame?",
                    height_, off_ground_, with_ground_));
  if (dark_ == clouds_ && dark_ > 0)
    findings.add(
        Severity::Warning, "points: dark", dark_at_,
        fmt::format("points: no intensity is above {:.4f} in any cloud: divided by 255 twice, or never filled in?",
                    brightest_));
}

void BoxCheck::look_at(const Labels& labels, const Tensor& points, const std::string& where) {
  int64_t claimed = 0, found = 0;
  for (size_t i = 0; i < labels.boxes.size(); ++i) {
    const Box3d& box = labels.boxes[i];
    if (points.defined() && points.size(0) > 0 && box.num_lidar_points > 0) {
      claimed += box.num_lidar_points;
      found += std::min<int64_t>(count_inside(box, points, 0.05), box.num_lidar_points);
    }
    if (!box.has_velocity || std::hypot(box.vx, box.vy) < kMovingBox) continue;
    const double off = std::abs(wrap_angle(std::atan2(box.vy, box.vx) - box.yaw));
    ++moving_;
    backward_ += off > kPi * 3 / 4;
    across_ += off > kPi / 4 && off <= kPi * 3 / 4;
    if (off > kPi / 4) keep_first(astray_at_, fmt::format("{}: boxes[{}]", where, i));
  }
  claimed_ += claimed;
  found_ += found;
  if (claimed >= kFewPoints && static_cast<double>(found) < kLeastFound * static_cast<double>(claimed))
    keep_first(few_points_at_, where);
}

void BoxCheck::finish(Findings& findings) const {
  if (claimed_ >= kFewPoints && static_cast<double>(found_) < kLeastFound * static_cast<double>(claimed_))
    findings.add(Severity::Error, "boxes: points", few_points_at_,
                 fmt::format("boxes: hold {} of the {} points that their num_lidar_points count: boxes or points in "
                             "another frame, or sizes and yaw in another order?",
                             found_, claimed_));
  if (moving_ < kFew) return;
  if (2 * across_ > moving_)
    findings.add(
        Severity::Warning, "boxes: across", astray_at_,
        fmt::format("boxes: {} of {} moving ones move across their heading: length and width exchanged, or a yaw "
                    "with another zero?",
                    across_, moving_));
  if (2 * backward_ > moving_)
    findings.add(Severity::Warning, "boxes: backward", astray_at_,
                 fmt::format("boxes: {} of {} moving ones move against their heading", backward_, moving_));
}

void MotionCheck::look_at(const Sample& frame, bool starts, const std::string& where, Findings& findings) {
  const double upright = frame.ego_pose.at(2, 2);
  if (upright < 0.5)
    findings.add(Severity::Error, "ego_pose: tilt", where,
                 upright < -0.5 ? std::string("ego_pose: its z axis points down, expected x forward, y left, z up")
                                : fmt::format("ego_pose: its z axis points {:.0f} degrees off upward: a quaternion in "
                                              "another order?",
                                              std::acos(std::clamp(upright, -1.0, 1.0)) * 180 / kPi));
  if (before_ && !starts && frame.timestamp > before_->timestamp) {
    const Pose step = before_->pose.inverse() * frame.ego_pose;
    const Vec3 moved = step.translation();
    const double across_ground = std::hypot(moved.x, moved.y), seconds = frame.timestamp - before_->timestamp;
    ++pairs_;
    if (norm(moved) > kMoved) {
      ++moved_;
      // The chord of a turn points half way between the two headings.
      const double off = std::abs(wrap_angle(std::atan2(moved.y, moved.x) - step.yaw() / 2));
      const bool up = std::abs(moved.z) > across_ground;
      upward_ += up;
      if (up) keep_first(upward_at_, where);
      sideways_ += !up && off > kPi / 4 && off <= kPi * 3 / 4;
      if (off > kPi / 4 && off <= kPi * 3 / 4) keep_first(sideways_at_, where);
      backward_ += off > kPi * 3 / 4;
      if (off > kPi * 3 / 4) keep_first(backward_at_, where);
      const double speed = norm(moved) / seconds;
      racing_ += speed > kRacing;
      if (speed > kRacing) keep_first(racing_at_, where);
      speed_ = std::max(speed_, speed);
    }
  }
  before_ = Before{frame.timestamp, frame.ego_pose};
}

void MotionCheck::finish(Findings& findings) const {
  const auto most = [&](int64_t count) { return moved_ >= kFew / 2 && 2 * count > moved_; };
  if (most(upward_))
    findings.add(Severity::Error, "ego_pose: upward", upward_at_,
                 fmt::format("ego_pose: the vehicle moves up or down in {} of {} steps: another order of axes?",
                             upward_, moved_));
  if (most(sideways_))
    findings.add(
        Severity::Error, "ego_pose: sideways", sideways_at_,
        fmt::format("ego_pose: the vehicle moves sideways in {} of {} steps: inverted poses (world to ego), or x "
                    "not forward?",
                    sideways_, moved_));
  if (most(backward_))
    findings.add(Severity::Warning, "ego_pose: backward", backward_at_,
                 fmt::format("ego_pose: the vehicle moves backward in {} of {} steps", backward_, moved_));
  if (racing_ > 0)
    findings.add(
        Severity::Warning, "ego_pose: racing", racing_at_,
        fmt::format("ego_pose: the vehicle moves at more than {} m/s in {} of {} steps (up to {:.0f}): poses that "
                    "jump, or timestamps in another unit?",
                    kRacing, racing_, pairs_, speed_));
  if (pairs_ >= kFew && moved_ == 0)
    findings.add(Severity::Note, "ego_pose: stands", "",
                 "ego_pose: the vehicle never moves: history lies where it lay");
}

}  // namespace bevgrad
