// Traffic that stops and goes on, and what vehicles show of what they do: brake and turn lights, open doors.
#pragma once
#include <vector>

#include "data/scene/drive.h"
#include "data/scene/random.h"

namespace bevgrad::scene {

inline constexpr double kTimeStep = 0.02;  ///< seconds between two steps of a simulation

/// Metres a second, below which something stands.
inline constexpr double kStandingSpeed = 0.3;

/// Speed at every step of a simulation: at ease, slower, standing, with 2.5 m/s^2 down and 1.8 m/s^2 up. Motions with
/// the same begin of their path and the same speed, a lane's traffic, keep their distances.
std::vector<double> stop_and_go(const Motion& motion, size_t steps, Random random);

/// Fills in lamps and doors of all frames. Driving vehicles show the brake lights where they slow down by more than
/// 0.6 m/s^2 or stand, and the turn light of the side that their path bends to within the next 8 m, or that they mean
/// to go to. Parked ones now and then show hazard lights, are about to leave, or have a door open where there is room.
/// Lights that are on are lit in every frame.
void add_signals(Random random, Drive& drive);

}  // namespace bevgrad::scene
