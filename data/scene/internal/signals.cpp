#include "scene/internal/signals.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numbers>

#include "data/scene/bodies.h"
#include "geometry/rotated_box.h"

namespace bevgrad::scene {

namespace {

constexpr double kBraking = 2.5, kStarting = 1.8, kBrakeLight = 0.6;  // m/s^2
constexpr double kAhead = 8, kTurn = 0.6;                             // metres, radians
constexpr double kDoorMargin = 0.15;                                  // metres
constexpr size_t kFramesApart = 3;

bool has_lights(const Actor& actor) {
  return actor.type == ActorType::Car || actor.type == ActorType::Truck || actor.type == ActorType::Bus;
}

/// Left and right lamps of the way that lies ahead of a driving actor in a frame: from its headings in later frames, as
/// far as they reach.
uint8_t turn_ahead(const Drive& drive, size_t frame, size_t actor) {
  const ActorState& now = drive.frames[frame].actors[actor];
  double driven = 0, turned = 0;
  for (size_t f = frame + 1; f < drive.frames.size() && driven < kAhead; ++f) {
    const ActorState &before = drive.frames[f - 1].actors[actor], &then = drive.frames[f].actors[actor];
    if (!then.present) break;
    driven += norm(then.position - before.position);
    turned = wrap_angle(then.yaw - now.yaw);
  }
  return turned > kTurn ? kLeftLamps : turned < -kTurn ? kRightLamps : 0;
}

bool has_room(const Drive& drive, size_t actor, int side) {
  for (size_t f = 0; f < drive.frames.size(); f += kFramesApart) {
    const DriveFrame& frame = drive.frames[f];
    ActorState open = frame.actors[actor];
    open.door = side;
    const RotatedBox door = door_of(drive.actors[actor], open);
    const auto meets = [&](RotatedBox box) {
      box.w += 2 * kDoorMargin;
      box.h += 2 * kDoorMargin;
      return intersection_area(door, box) > 0;
    };
    const Vec3 ego = frame.true_pose.apply({(kEgoFront + kEgoRear) / 2, 0, 0});
    if (meets({ego.x, ego.y, kEgoFront - kEgoRear, 2 * kEgoHalfWidth, frame.true_pose.yaw()})) return false;
    for (size_t i = 0; i < drive.actors.size(); ++i) {
      const Actor& other = drive.actors[i];
      const ActorState& there = frame.actors[i];
      if (i == actor || !there.present || norm(there.position - open.position) > 15) continue;
      if (meets({there.position.x, there.position.y, other.length, other.width, there.yaw})) return false;
    }
  }
  return true;
}

void show_parked(Random random, size_t actor, Drive& drive) {
  uint8_t lamps = kLampsShown;
  const double what = random.uniform();
  if (what < 0.08) {
    lamps |= kLeftLamps | kRightLamps;
  } else if (what < 0.16) {  // about to leave, with a foot on the brake
    lamps |= kBrakeLamps | (random.chance(0.5) ? kLeftLamps : kRightLamps);
  }
  int door = 0;
  if (drive.actors[actor].type == ActorType::Car && random.chance(0.2)) {
    const int first = random.chance(0.5) ? 1 : -1;
    for (const int side : {first, -first})
      if (door == 0 && has_room(drive, actor, side)) door = side;
  }
  for (DriveFrame& frame : drive.frames) {
    frame.actors[actor].lamps = lamps;
    frame.actors[actor].door = door;
  }
}

void show_driving(Random random, size_t actor, Drive& drive) {
  const bool means_to = random.chance(0.25);
  const double from = random.uniform(-2, drive.frames.back().timestamp), seconds = random.uniform(2.5, 6);
  const uint8_t wish = random.chance(0.5) ? kLeftLamps : kRightLamps;
  for (size_t f = 0; f < drive.frames.size(); ++f) {
    DriveFrame& frame = drive.frames[f];
    ActorState& state = frame.actors[actor];
    if (!state.present) continue;
    uint8_t lamps = turn_ahead(drive, f, actor);
    const double since = frame.timestamp - from;
    if (lamps == 0 && means_to && since >= 0 && since < seconds) lamps = wish;
    if (state.slowing > kBrakeLight || norm(state.velocity) < kStandingSpeed) lamps |= kBrakeLamps;
    state.lamps = lamps | kLampsShown;
  }
}

}  // namespace

std::vector<double> stop_and_go(const Motion& motion, size_t steps, Random random) {
  const Vec2 begin = motion.path.front();
  Random dice = random.fork(std::bit_cast<uint64_t>(begin.x) ^ mix(std::bit_cast<uint64_t>(begin.y)) ^
                            mix(std::bit_cast<uint64_t>(motion.speed)));
  std::vector<double> speeds;
  double v = motion.speed, target = v, until = dice.uniform(0.5, 4);
  for (size_t i = 0; i < steps; ++i) {
    const double t = static_cast<double>(i) * kTimeStep;
    if (t >= until) {
      const double what = dice.uniform();
      target = motion.speed * (what < 0.3 ? 0 : what < 0.5 ? 0.5 : 1);
      until = t + dice.uniform(2, 5);
    }
    speeds.push_back(v);
    v = std::max(0.0, v + std::clamp(target - v, -kBraking * kTimeStep, kStarting * kTimeStep));
  }
  return speeds;
}

void add_signals(Random random, Drive& drive) {
  for (size_t i = 0; i < drive.actors.size(); ++i) {
    if (!has_lights(drive.actors[i])) continue;
    if (drive.actors[i].motion.path.size() < 2)
      show_parked(random.fork(drive.actors[i].seed), i, drive);
    else
      show_driving(random.fork(drive.actors[i].seed), i, drive);
  }
}

}  // namespace bevgrad::scene
