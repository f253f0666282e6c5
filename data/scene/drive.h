// How the ego vehicle and everybody else move through a layout, frame by frame.
#pragma once
#include <vector>

#include "data/scene/layout.h"
#include "geometry/pose.h"

namespace bevgrad::scene {

struct DriveOptions {
  int frames = 50;
  double frame_rate = 10;
  double timestamp_jitter = 0.01;  ///< seconds, either way
  double drop_rate = 0.02;         ///< probability that a frame is missing
  double pose_noise = 0.005;       ///< odometry: standard deviation of each step's length, as a share of it
  double yaw_noise = 0.05;         ///< odometry: degrees a step of a metre
  /// Traffic slows down, stops and goes on, and vehicles show what they do (signals.h).
  bool signals = false;
};

struct ActorState {
  bool present = false;
  Vec2 position, velocity;
  double yaw = 0;
  double slowing = 0;  ///< m/s^2
  uint8_t lamps = 0;   ///< of enum Lamps
  int door = 0;        ///< open: 1 on the left, -1 on the right
};

struct DriveFrame {
  double timestamp = 0;
  Pose true_pose;  ///< ego -> world
  Pose ego_pose;   ///< the same by odometry: equal at the first frame, drifting from there
  std::vector<ActorState> actors;
};

struct Drive {
  std::vector<Actor> actors;  ///< the layout's, without those that would run into the ego or into one another
  std::vector<DriveFrame> frames;
};

/// The ego's extent around its origin (under the rear axle), in metres.
inline constexpr double kEgoRear = -1.0, kEgoFront = 3.9, kEgoHalfWidth = 0.95;

Drive simulate(const Layout& layout, const DriveOptions& options, Random random);

}  // namespace bevgrad::scene
