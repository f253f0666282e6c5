#include "internal/nuscenes/class_names.h"

#include <cstring>
#include <utility>

namespace bevgrad {

namespace {

struct BoxName {
  const char* nuscenes;  // a name that ends with a dot stands for all that begin so
  const char* ours;
};

// Category names by the map from them to detection names in nuScenes' own devkit; those that it leaves out
// (animals, wheelchairs, strollers, emergency vehicles, debris, ...) are left out here.
constexpr BoxName kBoxNames[] = {{"car", "car"},
                                 {"truck", "truck"},
                                 {"trailer", "truck"},
                                 {"construction_vehicle", "truck"},
                                 {"bus", "bus"},
                                 {"pedestrian", "person"},
                                 {"bicycle", "non_motor"},
                                 {"motorcycle", "non_motor"},
                                 {"barrier", "barrier"},
                                 {"traffic_cone", "pillar"},
                                 {"vehicle.car", "car"},
                                 {"vehicle.truck", "truck"},
                                 {"vehicle.trailer", "truck"},
                                 {"vehicle.construction", "truck"},
                                 {"vehicle.bus.", "bus"},
                                 {"vehicle.bicycle", "non_motor"},
                                 {"vehicle.motorcycle", "non_motor"},
                                 {"human.pedestrian.adult", "person"},
                                 {"human.pedestrian.child", "person"},
                                 {"human.pedestrian.police_officer", "person"},
                                 {"human.pedestrian.construction_worker", "person"},
                                 {"movable_object.barrier", "barrier"},
                                 {"movable_object.trafficcone", "pillar"}};

}  // namespace

const char* class_of_nuscenes(const std::string& label) {
  for (const BoxName& pair : kBoxNames) {
    const std::string_view name = pair.nuscenes;
    if (name.ends_with('.') ? label.starts_with(name) : label == name) return pair.ours;
  }
  return nullptr;
}

OurAttribute attribute_of_nuscenes(std::string_view name) {
  static constexpr std::pair<std::string_view, OurAttribute> kNames[] = {
      {"vehicle.moving", {"motion", "moving"}},       {"vehicle.stopped", {"motion", "stopped"}},
      {"vehicle.parked", {"motion", "parked"}},       {"pedestrian.moving", {"motion", "moving"}},
      {"pedestrian.standing", {"motion", "stopped"}}, {"pedestrian.sitting_lying_down", {"motion", "stopped"}},
      {"cycle.with_rider", {"rider", "present"}},     {"cycle.without_rider", {"rider", "none"}}};
  for (const auto& [theirs, ours] : kNames)
    if (theirs == name) return ours;
  return {};
}

bool is_nuscenes_vehicle(const std::string& label) {
  const char* ours = class_of_nuscenes(label);
  return ours != nullptr &&
         (std::strcmp(ours, "car") == 0 || std::strcmp(ours, "truck") == 0 || std::strcmp(ours, "bus") == 0);
}

}  // namespace bevgrad
