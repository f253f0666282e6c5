// nuScenes' names of what a box holds, and ours.
#pragma once
#include <string>
#include <string_view>

namespace bevgrad {

/// The dynamic class of one of the detection task's ten names ("car", "traffic_cone") or of nuScenes' own category
/// names ("vehicle.car", "human.pedestrian.adult"); null for all others. Cycles are "non_motor": whether somebody sits
/// on one is said elsewhere.
const char* class_of_nuscenes(const std::string& label);

/// What nuScenes' name of an attribute ("vehicle.parked") says in ours, as a kind and a value; null for others.
struct OurAttribute {
  const char* kind = nullptr;
  const char* value = nullptr;
};
OurAttribute attribute_of_nuscenes(std::string_view name);

/// Whether the label is one of those that are longer than wide: cars, trucks, trailers, buses.
bool is_nuscenes_vehicle(const std::string& label);

}  // namespace bevgrad
