// The sizes and classes of the full-size system, which configs and option structs have where nothing else is said.
#pragma once

namespace bevgrad::full_size {

/// The range around the vehicle, metres in the ego frame: x forward, y left, z up.
inline constexpr double kXMin = -20.8, kYMin = -22.4, kZMin = -3.0;
inline constexpr double kXMax = 62.4, kYMax = 22.4, kZMax = 5.0;

/// A range within which metrics are counted, metres in the ego frame.
struct Range {
  const char* name;
  double y_min, y_max, x_min, x_max;
};
inline constexpr Range kEvaluationRanges[] = {{"all", kYMin, kYMax, kXMin, kXMax},
                                              {"main", -8, 8, -20, 120},
                                              {"main_near", -8, 8, 0, 30},
                                              {"main_middle", -8, 8, 30, 60},
                                              {"main_far", -8, 8, 60, 120}};

inline constexpr const char* kLaneClasses[] = {"SolidLine",        "DoubleSolidLine",      "DashedLine",
                                               "DoubleDashedLine", "RightSolidLeftDashed", "LeftSolidRightDashed",
                                               "WideSolidLine",    "WideDashedLine",       "ShortDashedLine"};
inline constexpr const char* kRoadClasses[] = {"Wall", "Curb", "SpeedBump", "GroundSigns"};
inline constexpr const char* kInstanceClasses[] = {"SpeedBump", "GroundSign", "ParkingSlot", "Column"};
/// Instances that look the same turned by half a turn.
inline constexpr const char* kSymmetricClasses[] = {"SpeedBump", "ParkingSlot", "Column"};
inline constexpr const char* kDynamicClasses[] = {
    "car", "truck", "bus", "person", "non_motor", "riderless_non_motor", "barrier", "pillar"};
inline constexpr const char* kVoxelClasses[] = {
    "car",  "truck",    "bus",        "person", "non_motor", "riderless_non_motor", "barrier", "pillar", "Wall",
    "Curb", "building", "vegetation", "road",   "ground"};
/// Voxel classes that one may drive on where nothing is above.
inline constexpr const char* kDrivableClasses[] = {"road"};

/// What is said of objects of some classes (null behind the last; none: of all) by one of some words.
struct Attribute {
  const char* name;
  const char* values[5];
  const char* classes[8];
};
inline constexpr Attribute kBoxAttributes[] = {
    {"motion", {"moving", "stopped", "parked"}, {"car", "truck", "bus", "person", "non_motor", "riderless_non_motor"}},
    {"door", {"closed", "open"}, {"car", "truck", "bus"}},
    {"brake_light", {"off", "on"}, {"car", "truck", "bus"}},
    {"turn_light", {"off", "left", "right", "hazard"}, {"car", "truck", "bus"}},
    {"rider", {"none", "present"}, {"non_motor", "riderless_non_motor"}}};
inline constexpr Attribute kLaneAttributes[] = {{"color", {"white", "yellow", "blue"}, {}}};

}  // namespace bevgrad::full_size
