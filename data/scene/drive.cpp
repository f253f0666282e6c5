#include "data/scene/drive.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "geometry/polyline.h"
#include "geometry/rotated_box.h"
#include "scene/internal/signals.h"

namespace bevgrad::scene {

namespace {

/// A path whose points can be found without walking along it each time.
class Track {
 public:
  explicit Track(const std::vector<Vec2>& points) : points_(points) {
    lengths_.push_back(0);
    for (size_t i = 1; i < points.size(); ++i) lengths_.push_back(lengths_.back() + norm(points[i] - points[i - 1]));
  }

  double length() const { return lengths_.back(); }

  PolylinePoint at(double s) const {
    const auto after = std::upper_bound(lengths_.begin(), lengths_.end(), s);
    const size_t i = std::clamp<size_t>(static_cast<size_t>(after - lengths_.begin()), 1, points_.size() - 1);
    const Vec2 edge = points_[i] - points_[i - 1];
    const double step = std::max(1e-9, lengths_[i] - lengths_[i - 1]);
    return {points_[i - 1] + edge * ((s - lengths_[i - 1]) / step), edge * (1 / step)};
  }

  /// Heading that does not jump at the corners.
  double heading(double s) const {
    const Vec2 ahead = at(std::min(s + 0.8, length())).position - at(std::max(s - 0.8, 0.0)).position;
    return std::atan2(ahead.y, ahead.x);
  }

 private:
  std::vector<Vec2> points_;
  std::vector<double> lengths_;
};

/// The ego's arc length and speed every kTimeStep seconds.
struct SpeedProfile {
  std::vector<double> s, v;
};

SpeedProfile drive_profile(const Layout& layout, const Track& track, double seconds, Random random) {
  SpeedProfile profile;
  double s = layout.ego_start, v = layout.ego_speed * random.uniform(0.6, 1), target = v, until = 0;
  for (double t = 0; t <= seconds + kTimeStep; t += kTimeStep) {
    if (t >= until) {
      const bool stops = random.chance(0.06);
      target = stops ? 0 : std::min(8.33, layout.ego_speed * random.uniform(0.65, 1.1));
      until = t + random.uniform(1, stops ? 2 : 3);
    }
    const double braking = std::sqrt(std::max(0.0, 4 * (track.length() - 1 - s)));  // 2 m/s^2 to the end of the path
    const double bend = std::abs(wrap_angle(track.heading(s + 4) - track.heading(s + 1))) / 3;
    const double cornering = std::sqrt(2.2 / std::max(bend, 1e-3));  // 2.2 m/s^2 sideways
    v += std::clamp(std::min({target, braking, cornering}) - v, -2.5 * kTimeStep, 1.8 * kTimeStep);
    v = std::max(0.0, v);
    profile.s.push_back(s);
    profile.v.push_back(v);
    s += v * kTimeStep;
  }
  return profile;
}

size_t step_of(double t) {
  return static_cast<size_t>(std::max(0.0, std::round(t / kTimeStep)));
}

/// Arc length of an actor at every step of the ego's profile. `pace`: its own speed at every step; empty: always the
/// same.
std::vector<double> follow(const Motion& motion, const SpeedProfile& ego, const std::vector<double>& pace) {
  std::vector<double> result;
  double s = motion.start;
  for (size_t i = 0; i < ego.v.size(); ++i) {
    result.push_back(s);
    const double own = pace.empty() ? motion.speed : pace[i];
    s += std::max(0.0, motion.follows_ego ? ego.v[i] + motion.speed : own) * kTimeStep;
  }
  return result;
}

RotatedBox footprint(const Actor& actor, const ActorState& state, double margin) {
  return {state.position.x, state.position.y, actor.length + margin, actor.width + margin, state.yaw};
}

RotatedBox ego_footprint(const Pose& pose, double margin) {
  const Vec3 centre = pose.apply({(kEgoFront + kEgoRear) / 2, 0, 0});
  return {centre.x, centre.y, kEgoFront - kEgoRear + margin, 2 * kEgoHalfWidth + margin, pose.yaw()};
}

bool overlap(const RotatedBox& a, const RotatedBox& b) {
  const double reach = (std::hypot(a.w, a.h) + std::hypot(b.w, b.h)) / 2;
  const Vec2 apart = {a.x - b.x, a.y - b.y};
  return dot(apart, apart) < reach * reach && intersection_area(a, b) > 0;
}

/// Takes out whoever would run into the ego, then, of two that would run into one another, the moving one (of two alike
/// the later one; columns always stay).
void remove_collisions(Drive& drive) {
  const size_t count = drive.actors.size();
  std::vector<bool> removed(count, false);
  const auto stands = [&](size_t i) { return drive.actors[i].motion.path.empty(); };
  const auto is_column = [&](size_t i) { return drive.actors[i].type == ActorType::Pillar; };
  for (size_t f = 0; f < drive.frames.size(); f += 3) {
    const DriveFrame& frame = drive.frames[f];
    const RotatedBox ego = ego_footprint(frame.true_pose, 0.7);
    std::vector<RotatedBox> boxes;
    for (size_t i = 0; i < count; ++i) boxes.push_back(footprint(drive.actors[i], frame.actors[i], 0.1));
    for (size_t i = 0; i < count; ++i)
      if (frame.actors[i].present && !is_column(i) && overlap(ego, boxes[i])) removed[i] = true;
    for (size_t i = 0; i < count; ++i)
      for (size_t j = i + 1; j < count && !removed[i]; ++j) {
        if (removed[j] || !frame.actors[i].present || !frame.actors[j].present) continue;
        if (f > 0 && stands(i) && stands(j)) continue;
        if (is_column(i) && is_column(j)) continue;
        if (!overlap(boxes[i], boxes[j])) continue;
        const bool keep_first = !is_column(j) && (stands(i) || !stands(j));
        removed[keep_first ? j : i] = true;
      }
  }
  std::vector<Actor> kept;
  for (size_t i = 0; i < count; ++i)
    if (!removed[i]) kept.push_back(std::move(drive.actors[i]));
  drive.actors = std::move(kept);
  for (DriveFrame& frame : drive.frames) {
    std::vector<ActorState> states;
    for (size_t i = 0; i < count; ++i)
      if (!removed[i]) states.push_back(frame.actors[i]);
    frame.actors = std::move(states);
  }
}

/// What odometry makes of the true poses: every step's length and turn is a little wrong, so that the error grows.
void add_odometry(const DriveOptions& options, Random random, std::vector<DriveFrame>& frames) {
  const double degree = std::numbers::pi / 180;
  frames[0].ego_pose = frames[0].true_pose;
  for (size_t i = 1; i < frames.size(); ++i) {
    const Pose step = frames[i - 1].true_pose.inverse() * frames[i].true_pose;
    const double scale = 1 + options.pose_noise * random.normal();
    const double moved = std::min(1.0, norm(step.translation()));
    const double turn = options.yaw_noise * degree * moved * random.normal();
    const Vec3 t = step.translation() * scale;
    frames[i].ego_pose = frames[i - 1].ego_pose * Pose::from_yaw(t.x, t.y, t.z, step.yaw() + turn);
  }
}

}  // namespace

Drive simulate(const Layout& layout, const DriveOptions& options, Random random) {
  Drive drive;
  drive.actors = layout.actors;
  Random clock = random.fork(1);
  for (int tick = 0; static_cast<int>(drive.frames.size()) < options.frames; ++tick) {
    const double jitter = options.timestamp_jitter * clock.uniform(-1, 1);
    if (clock.chance(options.drop_rate) && tick > 0) continue;
    DriveFrame frame;
    frame.timestamp = std::max(0.0, tick / options.frame_rate + (tick > 0 ? jitter : 0));
    drive.frames.push_back(std::move(frame));
  }

  const Track ego_track(layout.ego_path);
  const SpeedProfile profile = drive_profile(layout, ego_track, drive.frames.back().timestamp, random.fork(2));
  for (DriveFrame& frame : drive.frames) {
    const double s = profile.s[step_of(frame.timestamp)];
    const Vec2 p = ego_track.at(s).position;
    frame.true_pose = Pose::from_yaw(p.x, p.y, 0, ego_track.heading(s));
  }
  add_odometry(options, random.fork(3), drive.frames);

  for (const Actor& actor : drive.actors) {
    if (actor.motion.path.size() < 2) {
      for (DriveFrame& frame : drive.frames) frame.actors.push_back({true, actor.position, {}, actor.yaw});
      continue;
    }
    const Track track(actor.motion.path);
    const std::vector<double> arc =
        follow(actor.motion, profile,
               options.signals ? stop_and_go(actor.motion, profile.v.size(), random.fork(4)) : std::vector<double>());
    for (DriveFrame& frame : drive.frames) {
      const size_t step = step_of(frame.timestamp);
      const double s = arc[step];
      ActorState state;
      state.present = s > actor.length / 2 && s < track.length() - actor.length / 2;
      if (state.present) {
        const auto speed_at = [&](size_t at) { return (arc[std::min(at + 1, arc.size() - 1)] - arc[at]) / kTimeStep; };
        const double speed = speed_at(step);
        const size_t before = step - std::min<size_t>(step, 10);
        if (before < step)
          state.slowing = (speed_at(before) - speed) / (static_cast<double>(step - before) * kTimeStep);
        state.position = track.at(s).position;
        state.yaw = track.heading(s);
        state.velocity = direction(state.yaw) * speed;
      }
      frame.actors.push_back(state);
    }
  }
  remove_collisions(drive);
  if (options.signals) add_signals(random.fork(5), drive);
  return drive;
}

}  // namespace bevgrad::scene
