#include "internal/nuscenes/frame_import.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/text.h"
#include "data/record.h"
#include "internal/nuscenes/class_names.h"
#include "internal/nuscenes/source_files.h"
#include "internal/points_in_boxes.h"
#include "internal/record/camera.h"
#include "internal/record/labels.h"
#include "internal/record/number_checks.h"
#include "internal/record/points.h"

namespace bevgrad {

namespace {

constexpr size_t kMostBoxes = 10000;
constexpr double kFrameReach = 120;  // metres

bool is_riderless(const InfoBox& box) {
  const OurAttribute said = attribute_of_nuscenes(box.attribute);
  if (said.kind != nullptr && std::strcmp(said.kind, "rider") == 0) return std::strcmp(said.value, "none") == 0;
  return box.box.has_velocity && std::hypot(box.box.vx, box.box.vy) < 0.3;
}

}  // namespace

FrameImport::FrameImport(std::string files, std::vector<std::string> cameras, const MapClasses& classes,
                         const std::vector<std::string>& map_kinds, ImportReport& report)
    : files_(std::move(files)), cameras_(std::move(cameras)), classes_(classes), report_(report) {
  schema_.lane_classes = map_class_names(classes_, MapLayer::Lane, map_kinds);
  schema_.road_classes = map_class_names(classes_, MapLayer::Road, map_kinds);
  schema_.box_attributes = known_box_attributes();
  schema_.lane_attributes = known_lane_attributes();
  schema_.grid = {
      .x_min = -kFrameReach, .y_min = -kFrameReach, .x_max = kFrameReach, .y_max = kFrameReach, .cell = 0.2};
}

std::string FrameImport::encode(const InfoFrame& frame, int64_t sequence, const MapLabeller* map) {
  const auto [first, is_new] = where_.emplace(frame.key, frame.where);
  check(is_new, "{}.token is '{}', as {}'s is: expected a token of its own", frame.where, frame.key, first->second);
  records::Sample out;
  out.set_sequence(sequence);
  out.set_timestamp(frame.timestamp);
  out.set_key(frame.key);
  out.set_place(frame.place);
  store_pose(frame.ego_pose, out.mutable_ego_pose());
  const Tensor points = read_points(frame);
  store_points(points, {}, out.mutable_points());
  store_lidar(frame.lidar2ego.translation(), out.mutable_points());
  report_.image_size.resize(cameras_.size());
  for (size_t i = 0; i < cameras_.size(); ++i) add_picture(frame, i, &out);
  add_labels(frame, map, points, &out);
  ++report_.frames;
  return out.SerializeAsString();
}

void FrameImport::add_picture(const InfoFrame& frame, size_t camera, records::Sample* out) {
  const std::string& name = cameras_[camera];
  const auto found = std::find_if(frame.cameras.begin(), frame.cameras.end(),
                                  [&](const InfoCamera& candidate) { return candidate.name == name; });
  if (found == frame.cameras.end()) {
    ++without_[name];
    return;
  }
  const std::string path = find_source_file(files_, name, found->image);
  const ImageSize size = pictures_.store(found->camera, name, name, path, frame.where, out->add_cameras());
  ImageSize& expected = report_.image_size[camera];
  if (expected.width == 0) expected = size;
  check(size.width == expected.width && size.height == expected.height,
        "{}: the picture of camera '{}' is {}x{} pixels, the first frame's is {}x{}", frame.where, name, size.width,
        size.height, expected.width, expected.height);
}

Tensor FrameImport::read_points(const InfoFrame& frame) {
  const std::string path = find_source_file(files_, "LIDAR_TOP", frame.points);
  Tensor points = read_cloud(frame, path, &clouds_);
  check(frame.boxes.size() <= kMostBoxes, "{}: {} boxes, expected at most {}", frame.where, frame.boxes.size(),
        kMostBoxes);
  CountedPoints in_boxes;
  for (const InfoBox& box : frame.boxes) in_boxes.add(box.box, points);
  check(points.size(0) == 0 || in_boxes.belong_together(),
        "{}: {} points lie in the boxes of {}, where {} were counted: expected a whole file that belongs to them", path,
        in_boxes.found, frame.where, in_boxes.counted);
  return points;
}

void FrameImport::add_labels(const InfoFrame& frame, const MapLabeller* map, const Tensor& points,
                             records::Sample* sample) {
  Labels labels;
  labels.has_boxes = frame.has_boxes;
  for (const InfoBox& annotated : frame.boxes) {
    const char* ours = class_of_nuscenes(annotated.label);
    if (ours == nullptr) {
      ++report_.left_out[annotated.label.empty() ? "without a name" : printable(annotated.label)];
      continue;
    }
    if (std::strcmp(ours, "non_motor") == 0 && is_riderless(annotated)) ours = "riderless_non_motor";
    const auto at = std::find(schema_.dynamic_classes.begin(), schema_.dynamic_classes.end(), ours);
    Box3d box = annotated.box;
    box.class_id = static_cast<int>(at - schema_.dynamic_classes.begin());
    if (const OurAttribute said = attribute_of_nuscenes(annotated.attribute); said.kind != nullptr)
      set_attribute(schema_.box_attributes, said.kind, said.value, &box.attributes);
    labels.boxes.push_back(box);
    ++report_.boxes;
  }
  if (map != nullptr) map->label(frame.ego_pose, schema_, &labels);
  const bool has_map = map != nullptr || frame.map.has_value();
  if (frame.map) MapLabeller(*frame.map, classes_).label({}, schema_, &labels);
  LabelSchema schema = schema_;
  if (tracker_) {
    std::vector<Camera> cameras;
    for (const records::Camera& camera : sample->cameras()) cameras.push_back(load_camera(camera, {files_, frame.key}));
    labels.visibility = tracker_->add(frame.timestamp, frame.ego_pose, cameras, points, labels.boxes);
    schema.grid = visibility_.grid;
  }
  records::Labels* out = sample->mutable_labels();
  store_labels(labels, schema, out);
  if (!has_map) return;
  // Also where none is in reach: that is a label, too.
  out->mutable_lane_classes()->Assign(schema_.lane_classes.begin(), schema_.lane_classes.end());
  out->mutable_road_classes()->Assign(schema_.road_classes.begin(), schema_.road_classes.end());
  report_.shapes += static_cast<int64_t>(labels.lane_shapes.size() + labels.road_shapes.size());
}

void FrameImport::add_remarks() {
  const auto say = [&](const CloudRemarks::Oddity& oddity, const char* what) {
    if (oddity.files > 0)
      report_.remarks.push_back(fmt::format("{} LiDAR files {} (first: {})", oddity.files, what, oddity.first));
  };
  say(clouds_.at_origin, "have all of their points at the sensor's origin; their frames have no points");
  say(clouds_.unit_already, "have intensities from 0 to 1, which were kept and not divided by 255");
  say(clouds_.too_bright, "have intensities below 0 or above 255, which were cut");
  pictures_.add_remarks(report_.remarks);
  for (const auto& [camera, count] : without_)
    report_.remarks.push_back(fmt::format("{} frames have no picture of camera '{}'", count, printable(camera)));
}

}  // namespace bevgrad
