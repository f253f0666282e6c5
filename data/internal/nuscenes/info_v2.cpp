// Infos as mmdetection3d's update_infos_to_v2.py writes them.
#include <algorithm>
#include <array>

#include "base/error.h"
#include "internal/nuscenes/info_parts.h"
#include "internal/poses.h"

namespace bevgrad {
namespace {

/// By mmdetection3d's numbers.
constexpr std::array<const char*, 8> kAttributes = {"cycle.with_rider",
                                                    "cycle.without_rider",
                                                    "pedestrian.moving",
                                                    "pedestrian.standing",
                                                    "pedestrian.sitting_lying_down",
                                                    "vehicle.moving",
                                                    "vehicle.parked",
                                                    "vehicle.stopped"};

const std::array<const char*, 10> kNuscenesClasses = {
    "car",     "truck",      "trailer",    "bus",          "construction_vehicle",
    "bicycle", "motorcycle", "pedestrian", "traffic_cone", "barrier"};

/// What a camera's annotation says of an object.
struct SeenAttribute {
  Vec3 centre;  // ego frame
  const char* name;
};

Pose camera_to_ego(const InfoFrame& frame, const Value& image) {
  if (const auto lidar2cam = image.find("lidar2cam")) return frame.lidar2ego * info_matrix(*lidar2cam).inverse();
  return info_matrix(image.at("cam2ego"));
}

/// 0 where the info does not say it.
int stated_size(const Value& image, const char* field) {
  const auto size = image.find(field);
  return size && !size->is_none() ? static_cast<int>(std::clamp<int64_t>(size->as_int(), 0, 1 << 20)) : 0;
}

std::vector<SeenAttribute> seen_attributes(const Value& info, const InfoFrame& frame) {
  std::vector<SeenAttribute> seen;
  const auto cameras = info.find("cam_instances");
  if (!cameras) return seen;
  for (const auto& [camera, instances] : cameras->entries()) {
    const auto image = info.at("images").find(camera.as_string());
    if (!image) continue;
    const Pose camera2ego = camera_to_ego(frame, *image);
    for (size_t i = 0; i < instances.size(); ++i) {
      const auto attribute = instances.at(i).find("attr_label");
      const auto box = instances.at(i).find("bbox_3d");
      if (!attribute || !box || attribute->as_int() < 0 || attribute->as_int() >= std::ssize(kAttributes)) continue;
      const std::vector<double> b = box->as_doubles();
      if (b.size() < 3) continue;
      seen.push_back({camera2ego.apply({b[0], b[1], b[2]}), kAttributes[static_cast<size_t>(attribute->as_int())]});
    }
  }
  return seen;
}

/// Of the nearest annotation, which lies within a metre.
std::string attribute_of(const Box3d& box, const std::vector<SeenAttribute>& seen) {
  const char* name = "";
  double nearest = 1.0;
  for (const SeenAttribute& one : seen) {
    const double distance = norm(one.centre - Vec3{box.x, box.y, box.z});
    if (distance >= nearest) continue;
    nearest = distance;
    name = one.name;
  }
  return name;
}

void read_boxes_v2(const Value& info, const std::map<int64_t, std::string>& names, InfoFrame* frame) {
  const auto instances = info.find("instances");
  if (!instances || instances->is_none()) return;
  frame->has_boxes = true;
  const std::vector<SeenAttribute> seen = seen_attributes(info, *frame);
  for (size_t i = 0; i < instances->size(); ++i) {
    const Value instance = instances->at(i);
    const auto name = names.find(instance.at("bbox_label_3d").as_int());
    const Value numbers = instance.at("bbox_3d");
    const auto velocity = instance.find("velocity");
    InfoBox box;
    if (name != names.end()) box.label = name->second;
    box.box =
        info_box(frame->lidar2ego, numbers.as_doubles(),
                 velocity && !velocity->is_none() ? velocity->as_doubles() : std::vector<double>(), numbers.where());
    if (const auto points = instance.find("num_lidar_pts"); points && !points->is_none() && points->as_int() >= 0)
      box.box.num_lidar_points = static_cast<int>(std::min<int64_t>(points->as_int(), 1 << 30));
    box.attribute = attribute_of(box.box, seen);
    frame->boxes.push_back(std::move(box));
  }
}

}  // namespace

std::map<int64_t, std::string> info_v2_names(const Value& root) {
  std::map<int64_t, std::string> names;
  for (size_t i = 0; i < kNuscenesClasses.size(); ++i) names[static_cast<int64_t>(i)] = kNuscenesClasses[i];
  const auto info = root.find("metainfo");
  if (!info) return names;
  if (const auto categories = info->find("categories")) {
    names.clear();
    for (const auto& [name, number] : categories->entries()) names[number.as_int()] = name.as_string();
  } else if (const auto classes = info->contains("classes") ? info->find("classes") : info->find("CLASSES")) {
    names.clear();
    for (size_t i = 0; i < classes->size(); ++i) names[static_cast<int64_t>(i)] = classes->at(i).as_string();
  }
  return names;
}

InfoFrame read_info_v2(const Value& info, size_t index, const std::map<int64_t, std::string>& names) {
  InfoFrame frame;
  frame.where = info.where();
  check(info.is_mapping(), "{}: expected a dict", frame.where);
  frame.key = info_key(info, index);
  read_timestamp(info, 1, &frame);
  const Value lidar = info.at("lidar_points");
  frame.points = info_file(lidar.at("lidar_path"));
  frame.lidar2ego = info_matrix(lidar.at("lidar2ego"));
  frame.ego_pose = info_matrix(info.at("ego2global"));
  check_upright(frame.ego_pose, info.at("ego2global").where());
  if (const auto features = lidar.find("num_pts_feats")) frame.point_features = features->as_int();
  find_drive(info, &frame);
  for (const auto& [name, image] : info.at("images").entries()) {
    InfoCamera camera{name.as_string(), info_file(image.at("img_path")), info_intrinsics(image.at("cam2img"))};
    camera.camera.sensor2ego = camera_to_ego(frame, image);
    camera.camera.width = stated_size(image, "width");
    camera.camera.height = stated_size(image, "height");
    frame.cameras.push_back(std::move(camera));
  }
  read_boxes_v2(info, names, &frame);
  frame.map = info_map(info, frame.lidar2ego);
  return frame;
}

}  // namespace bevgrad
