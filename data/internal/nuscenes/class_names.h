// nuScenes' names of what a box holds, and ours.
#pragma once
#include <string>

namespace bevgrad {

/// The dynamic class of one of the detection task's ten names ("car", "traffic_cone") or of nuScenes' own category
/// names ("vehicle.car", "human.pedestrian.adult"); null for all others. Cycles are "non_motor": whether somebody sits
/// on one is said elsewhere.
const char* class_of_nuscenes(const std::string& label);

/// Whether the label is one of those that are longer than wide: cars, trucks, trailers, buses.
bool is_nuscenes_vehicle(const std::string& label);

}  // namespace bevgrad
